"""`gpu`: a graphics processor of this machine, by WebGPU, CUDA or LiteRT. No operation runs on the CPU."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from cxr_edge.benchmarks.devices.base import DeviceOptions
from cxr_edge.benchmarks.measure import worker_client
from cxr_edge.benchmarks.result.device_result import MEASURED
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.errors import DeviceError, RuntimeFailure, UsageError
from cxr_edge.runtimes.gpu import ACCELERATORS

__all__ = ["GpuDevice", "open"]

_INTEGER = ("int8", "int16x8", "dynamic")


class GpuDevice:
    """One accelerator of this machine; see `cxr_edge.runtimes.gpu`."""

    def __init__(self, name: str, accelerator: str, identity: str, *, software: bool) -> None:
        self.name = name
        self.kind = MEASURED
        self.identity = identity
        self.withheld: str | None = None
        self._accelerator = accelerator
        self._software = software

    def refuse(self, artifact: Artifact) -> str | None:
        """Return why the accelerator does not take the artifact: another format, or integer arithmetic."""
        wanted = ACCELERATORS[self._accelerator]
        if artifact.format != wanted:
            return f"gpu:{self._accelerator} runs .{wanted} files"
        if artifact.quantization in _INTEGER:
            return (
                f"gpu:{self._accelerator} has no {artifact.quantization} arithmetic, so the CPU would run it; use a "
                "float artifact or the device cpu"
            )
        return None

    def ask(self, request: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        """See `Device`."""
        return worker_client.ask({**request, "accelerator": self._accelerator, "software": self._software}, name=name)

    def close(self) -> None:
        """See `Device`."""


def open(text: str, options: DeviceOptions) -> GpuDevice:
    """Return the accelerator that `text` names, WebGPU by default. Raises UsageError, DeviceError without a device."""
    accelerator = text.partition(":")[2] or "webgpu"
    if accelerator not in ACCELERATORS:
        raise UsageError(f"device '{text}': choose from: {', '.join(f'gpu:{name}' for name in ACCELERATORS)}")
    if accelerator == "cuda":
        if shutil.which("nvidia-smi") is None:
            raise DeviceError(
                f"device '{text}': no NVIDIA driver is installed here (no nvidia-smi); use gpu:webgpu or cpu"
            )
        return GpuDevice(text, accelerator, "NVIDIA, CUDA", software=False)
    # LiteRT does not say which adapter it uses, and silently accepts a software one.
    identity, software = _find_adapter(text, allow_software=options.allow_software_gpu)
    return GpuDevice(f"gpu:{accelerator}", accelerator, identity, software=software)


def _find_adapter(text: str, *, allow_software: bool) -> tuple[str, bool]:
    try:
        answer = worker_client.ask({"task": "adapters", "software": allow_software}, name=text)
    except RuntimeFailure as error:
        raise DeviceError(f"device '{text}': {error}") from error
    found = sorted(((name, software) for name, software in answer["adapters"]), key=lambda item: item[1])
    if not found:
        raise DeviceError(
            f"device '{text}': WebGPU finds no graphics processor here; install its Vulkan driver and libvulkan1, use "
            "the device cpu, or accept a software driver with --allow-software-gpu"
        )
    name, software = found[0]
    return name, software
