"""Latency, memory and the state of the machine, measured in processes of their own."""
