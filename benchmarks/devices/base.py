"""How a device is written, and how it is used; each module beside this one has one kind of device."""

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
"""Each kind of device with the way to write it."""


@dataclass(frozen=True)
class DeviceOptions:
    """How devices are used: `allow_software_gpu` lets a driver that draws on the CPU stand in for a GPU."""

    allow_software_gpu: bool = False
