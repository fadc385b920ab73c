"""One protocol for every inference runtime, and the one place that picks an adapter for an artifact.

A Protocol and not a base class: adapters share no code, import their heavy library only when opened, and a test or
a device can pass anything that has these four members.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cxr_edge.bundle import Artifact, Bundle, InputContract, default_bundle_path
from cxr_edge.errors import RuntimeFailure

__all__ = [
    "OUTPUT_SIZES",
    "Outputs",
    "Pixels",
    "Runtime",
    "RuntimeInfo",
    "check_pixels",
    "first_line",
    "name_outputs",
    "open_artifact",
    "open_model",
]

Pixels = npt.NDArray[np.uint8]
Outputs = Mapping[str, npt.NDArray[np.float32]]

OUTPUT_SIZES = {"probabilities": None, "heatmap": 49, "typicality": 1}
"""The output tensors an artifact may have, all float32 of shape (n, size); probabilities have one per label."""

_ADAPTERS = {
    "tflite": "cxr_edge.runtimes.litert",
    "onnx": "cxr_edge.runtimes.onnx",
    "keras": "cxr_edge.runtimes.keras",
}


@dataclass(frozen=True)
class RuntimeInfo:
    """What a runtime reports of itself: library, version, threads, delegate or execution provider."""

    library: str
    version: str
    threads: int
    delegate: str
    details: Mapping[str, Any] = field(default_factory=dict)


class Runtime(Protocol):
    """A loaded model. `run` takes pixels (n, 224, 224, 3) uint8 and returns float32 outputs by name, n rows each."""

    info: RuntimeInfo

    def run(self, pixels: Pixels) -> Outputs:
        """Run the model. Raises RuntimeFailure when the input does not fit or the library fails."""
        ...

    def close(self) -> None:
        """Free what the library holds; the runtime cannot run afterwards."""
        ...


def open_artifact(bundle: Bundle, artifact: Artifact, *, threads: int = 1) -> Runtime:
    """Open an artifact of a bundle, proved by its hash, on `threads` threads.

    One that neither ships with the package nor was made here (`trust`) is checked and runs in a sandbox. Raises
    BundleError, RuntimeFailure, PreflightError, MissingExtraError.
    """
    content = bundle.artifact_bytes(artifact)
    # Where the shipped bundle lies is where this code lies; its start is to be short.
    if bundle.path != default_bundle_path():
        from cxr_edge import trust

        if not trust.is_ours(artifact.sha256):
            from cxr_edge import sandbox

            return sandbox.open(content, artifact.format, threads=threads, name=artifact.name)
    return open_model(content, artifact.format, threads=threads, name=artifact.name)


def open_model(content: bytes, format: str, *, threads: int = 1, name: str = "model") -> Runtime:
    """Open the model file `content` of `format` (tflite, onnx or keras). Raises RuntimeFailure, MissingExtraError."""
    if format not in _ADAPTERS:
        raise RuntimeFailure(f"{name}: no runtime reads the format '{format}'; known are {', '.join(_ADAPTERS)}")
    adapter = importlib.import_module(_ADAPTERS[format])
    runtime: Runtime = adapter.open(content, threads=threads, name=name)
    return runtime


def check_pixels(pixels: Pixels, name: str) -> None:
    """Raise RuntimeFailure unless `pixels` are uint8 of shape (n, 224, 224, 3), the input contract."""
    wanted = InputContract().shape[1:]
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != wanted or not len(pixels):
        raise RuntimeFailure(f"{name}: was given {pixels.dtype} {pixels.shape}; it takes uint8 (n, {wanted})")


def name_outputs(found: Mapping[str, tuple[str, tuple[Any, ...]]], name: str) -> dict[str, str]:
    """Return, for each output of the contract, the tensor of the file that holds it, in the order of OUTPUT_SIZES.

    `found` are the dtype and shape of the file's tensors. Converters keep a name but may add to it, as in
    "StatefulPartitionedCall:0"; where names are lost the width of the tensor tells. Raises RuntimeFailure.
    """
    named = {}
    for tensor, (dtype, shape) in found.items():
        # An output left in uint8 would be read as probabilities of up to 255.
        output = _output_of(tensor, shape) if dtype == "float32" else None
        if output is None or output in named:
            raise RuntimeFailure(
                f"{name}: output '{tensor}' {dtype} {shape} is not in the output contract; export it again"
            )
        named[output] = tensor
    if "probabilities" not in named:
        raise RuntimeFailure(f"{name}: has no output 'probabilities'; export it again")
    return {output: named[output] for output in OUTPUT_SIZES if output in named}


def _output_of(tensor: str, shape: tuple[Any, ...]) -> str | None:
    # An .onnx may name its width, or leave it open, instead of stating it.
    width = shape[1] if len(shape) == 2 else 0
    stated = isinstance(width, int)
    if tensor in OUTPUT_SIZES:
        size = OUTPUT_SIZES[tensor]
        return tensor if not stated or width == size or (size is None and width >= 2) else None
    by_width = {size: output for output, size in OUTPUT_SIZES.items() if size is not None}
    return by_width.get(width, "probabilities") if stated and width >= 1 else None


def first_line(error: Exception) -> str:
    """Return the first line of a library's error text, for use inside one of ours."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
