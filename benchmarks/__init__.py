"""Measure artifacts: accuracy and its drift, latency, size and memory, by device."""
