"""`pi-emulated`: run artifacts on this machine with the instructions of a Raspberry Pi's processor.

The predictions are real, including the rounding of the Arm kernels. The times are not those of a Pi, so the device
gives no latencies.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cxr_edge.benchmarks.devices import kit
from cxr_edge.benchmarks.devices.base import CHOICES, DeviceOptions
from cxr_edge.benchmarks.devices.emulation import userland
from cxr_edge.benchmarks.devices.emulation.userland import Userland
from cxr_edge.benchmarks.measure import worker_client
from cxr_edge.benchmarks.result.device_result import EMULATED
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.errors import UsageError

__all__ = ["EmulatedDevice", "open"]

_BOARDS = {"a53": "Pi 3, Zero 2", "a72": "Pi 4", "a76": "Pi 5"}
_TIMEOUT_S = 6 * 3600.0


class EmulatedDevice:
    """A processor under qemu-user; see `userland`."""

    def __init__(self, ready: Userland, cpu: str) -> None:
        self.name = f"pi-emulated:{cpu}"
        self.kind = EMULATED
        self.identity = (
            f"{userland.CPUS[cpu]} ({_BOARDS[cpu]}) under qemu-user {ready.versions['qemu']}, Debian arm64, "
            f"Python {ready.versions['debian python3.11-minimal'].partition('-')[0]}"
        )
        self.withheld: str | None = (
            f"an emulator's time says nothing of a Pi; measure one by {CHOICES['ssh']}, or look up published figures "
            f"by {CHOICES['pi-estimate']}"
        )
        self._folder = Path(tempfile.mkdtemp(prefix="cxr-edge-"))
        self._command = [*ready.python(cpu, path=[kit.write(self._folder)]), "-m", worker_client.WORKER]
        self._has_onnx = "onnxruntime" in ready.versions

    def refuse(self, artifact: Artifact) -> str | None:
        """Return why the artifact does not run there."""
        if artifact.format == "keras":
            return "a Pi does not run TensorFlow"
        if artifact.format == "onnx" and not self._has_onnx:
            return "ONNX Runtime was not installed here when the arm64 userland was made; type: pip install onnxruntime"
        return None

    def ask(self, request: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        """See `Device`. It uses one thread, because a second one slows emulation."""
        return worker_client.ask({**request, "threads": 1}, name=name, command=self._command, timeout_s=_TIMEOUT_S)

    def close(self) -> None:
        """See `Device`. The userland stays for the next run."""
        shutil.rmtree(self._folder, ignore_errors=True)


def open(text: str, options: DeviceOptions) -> EmulatedDevice:
    """Return the emulated processor, by default an a72. Raises UsageError, DeviceError."""
    cpu = text.partition(":")[2] or "a72"
    if cpu not in userland.CPUS:
        raise UsageError(f"device '{text}': choose from: {', '.join(f'pi-emulated:{name}' for name in userland.CPUS)}")
    return EmulatedDevice(userland.prepare(), cpu)
