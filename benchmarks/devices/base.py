"""Where an artifact runs: a module for each kind of device, all behind one protocol.

A device knows how to start a fresh process of `_child` somewhere and to bring its answer back. It knows nothing of
runtimes beyond which formats it takes, and no runtime knows where it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cxr_edge.bundles.manifest import Artifact

__all__ = ["CHOICES", "EMULATED", "ESTIMATED", "HERE", "MEASURED", "Device", "DeviceOptions"]

MEASURED, EMULATED, ESTIMATED = "measured", "emulated", "estimated"

HERE = ("cpu", "pi")
"""The devices that are this machine's processor, on which every artifact answers in any case."""

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


class Device(Protocol):
    """A place where artifacts run. `kind` is MEASURED, EMULATED or ESTIMATED, `identity` says what it is.

    `withheld` is why the device gives no latencies, None where it does.
    """

    name: str
    kind: str
    identity: str
    withheld: str | None

    def refuse(self, artifact: Artifact) -> str | None:
        """Return why the device does not run `artifact`, None where it does."""
        ...

    def ask(self, request: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        """Return the answer of a fresh process there to a request of `_child`; paths in it are of this machine.

        `name` is the artifact that it is about. Raises RuntimeFailure, DeviceError.
        """
        ...

    def close(self) -> None:
        """Take back what was put on the device."""
        ...
