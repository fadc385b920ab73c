"""Latency, memory and the state of the machine, measured in separate processes.

What belongs here: the worker, its client, the schedule of turns, and warnings about disturbed turns. What does not:
how a device is reached (`devices`), and the dataclasses of the outcome (`result.device_result`).
"""
