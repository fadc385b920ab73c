"""Find a device by the text that a user types."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cxr_edge.benchmarks.devices import adb, estimate, gpu, local, ssh
from cxr_edge.benchmarks.devices.base import CHOICES, DeviceOptions
from cxr_edge.benchmarks.devices.emulation import emulated
from cxr_edge.benchmarks.measure.device import Device
from cxr_edge.errors import UsageError

__all__ = ["check", "open"]


def check(text: str) -> str:
    """Return the kind of the device that `text` names. Raises UsageError for an unknown one."""
    kind = "ssh" if text.startswith("ssh://") else text.partition(":")[0]
    if kind not in CHOICES or (kind == "ssh") != text.startswith("ssh://"):
        raise UsageError(f"device '{text}' is not known; choose from: {', '.join(CHOICES.values())}")
    return kind


def open(text: str, options: DeviceOptions | None = None) -> Device:
    """Return the device that `text` names, ready for requests. Raises UsageError, DeviceError, MissingExtraError."""
    return _OPENERS[check(text)](text, options or DeviceOptions())


_OPENERS: Mapping[str, Callable[[str, DeviceOptions], Device]] = {
    "cpu": local.open,
    "pi": local.open,
    "gpu": gpu.open,
    "pi-emulated": emulated.open,
    "pi-estimate": estimate.open,
    "ssh": ssh.open,
    "adb": adb.open,
}
