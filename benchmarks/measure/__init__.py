"""Latency, memory and the state of the machine, measured in processes of their own.

What belongs here: the worker, its client, the schedule of turns and what disturbs them. What does not: how a device is
reached (`devices`), and the dataclasses of the outcome (`result.device_result`).
"""
