"""The input and output contract: what every artifact takes and gives, and what its file is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from cxr_edge.errors import RuntimeFailure

# Not at run time: every command reads manifests, and numpy takes longer to import than all the rest.
if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "HEATMAP_SHAPE",
    "KERAS_NAME",
    "OUTPUT_SIZES",
    "TYPICALITY_NAME",
    "InputContract",
    "Outputs",
    "Pixels",
    "artifact_name",
    "check_pixels",
    "name_outputs",
]

Pixels: TypeAlias = "npt.NDArray[np.uint8]"
Outputs: TypeAlias = "Mapping[str, npt.NDArray[np.float32]]"

KERAS_NAME = "model.keras"
"""The artifact that training writes: the reference of all others."""

TYPICALITY_NAME = "typicality.npz"
"""The arrays behind the output `typicality`; training writes them beside the model."""

HEATMAP_SHAPE = (7, 7)
"""Rows and columns of a heat map."""

OUTPUT_SIZES = {"probabilities": None, "heatmap": HEATMAP_SHAPE[0] * HEATMAP_SHAPE[1], "typicality": 1}
"""The output tensors an artifact may have, all float32 of shape (n, size); probabilities have one per label."""


@dataclass(frozen=True)
class InputContract:
    """What every artifact takes: one tensor `name` of uint8 RGB pixels, shape (1, height, width, 3).

    The pixels are the upright film, squashed to height x width (in pixels) with Pillow's antialiased `filter`.
    All scaling happens inside the graph.
    """

    name: str = "image"
    dtype: str = "uint8"
    height: int = 224
    width: int = 224
    channels: int = 3
    color: str = "RGB"
    resize: str = "squash"
    filter: str = "bilinear"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of one input: (1, height, width, channels)."""
        return (1, self.height, self.width, self.channels)


def artifact_name(format: str, recipe: str) -> str:
    """Return the file name of an exported artifact, as "model_int8.tflite" for "tflite" and the recipe "int8"."""
    return f"model_{recipe}.{format}"


def check_pixels(pixels: Pixels, name: str) -> None:
    """Raise RuntimeFailure unless `pixels` are uint8 of shape (n, 224, 224, 3), the input contract."""
    wanted = InputContract().shape[1:]
    if pixels.dtype != "uint8" or pixels.ndim != 4 or pixels.shape[1:] != wanted or not len(pixels):
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
