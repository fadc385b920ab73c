"""The options of devices, and how a user writes each kind of device."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CHOICES", "DeviceOptions"]

CHOICES = {
    "cpu": "cpu",
    "gpu": "gpu[:webgpu|cuda|litert]",
    "pi": "pi",
    "pi-emulated": "pi-emulated[:a53|a72|a76]",
    "pi-estimate": "pi-estimate:pi3|pi4|pi5|zero2",
    "ssh": "ssh://user@host[:port]",
    "adb": "adb[:serial]",
}
"""Each kind of device, and how a user writes it."""


@dataclass(frozen=True)
class DeviceOptions:
    """Options of devices: `allow_software_gpu` accepts a GPU driver that computes on the CPU."""

    allow_software_gpu: bool = False
