"""Where an artifact runs: a module for each kind of device, all behind the protocol `measure.device.Device`.

What belongs here: how to reach a device, start the worker there and bring its answer back,
and the choice among devices.
What does not: what the worker does (`measure`), and how the figures are shown (`report`).
"""
