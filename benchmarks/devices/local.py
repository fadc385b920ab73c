"""`cpu`, the processor of this machine, and `pi`, the processor of this machine if it is a Raspberry Pi."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxr_edge.benchmarks.devices.base import CHOICES, DeviceOptions
from cxr_edge.benchmarks.measure import machine, worker_client
from cxr_edge.benchmarks.result.device_result import MEASURED
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.errors import DeviceError, UsageError

__all__ = ["LocalDevice", "open"]


class LocalDevice:
    """This machine's processor."""

    def __init__(self, name: str, identity: str) -> None:
        self.name = name
        self.kind = MEASURED
        self.identity = identity
        self.withheld: str | None = None

    def refuse(self, artifact: Artifact) -> str | None:
        """Return None: an artifact that does not run is a failure with its own reason."""
        return None

    def ask(self, request: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        """See `Device`."""
        return worker_client.ask(request, name=name)

    def close(self) -> None:
        """See `Device`."""


def open(text: str, options: DeviceOptions) -> LocalDevice:
    """Return the processor here. Raises DeviceError for `pi` on anything else than a Raspberry Pi."""
    if text not in ("cpu", "pi"):
        raise UsageError(f"device '{text}': '{text.partition(':')[0]}' takes nothing after it; leave that out")
    described = machine.describe()
    if text == "cpu":
        return LocalDevice(text, f"{described.cpu_model}, {described.usable_cores} cores")
    if not (described.board or "").startswith("Raspberry Pi"):
        raise DeviceError(
            f"device 'pi': this machine is no Raspberry Pi (its device tree says '{described.board or 'nothing'}'); "
            f"measure one over the network by {CHOICES['ssh']}, run its instructions here by {CHOICES['pi-emulated']}, "
            f"or look up published figures by {CHOICES['pi-estimate']}"
        )
    return LocalDevice(text, f"{described.board}, {described.usable_cores} cores")
