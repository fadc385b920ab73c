"""Devices that run artifacts: one module for each kind, all behind the protocol `measure.device.Device`.

What belongs here: how to reach a device, start the worker there and read its answer, and how a device is chosen.
What does not: what the worker does (`measure`), and how the figures are shown (`report`).
"""
