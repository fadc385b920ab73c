"""One protocol for every format that a classifier is converted to, and what is handed to a converter.

A Protocol and not a base class, as for `Runtime`: the adapters share no code, and each imports a heavy library.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cxr_edge.contract import Pixels
from cxr_edge.errors import ExportError
from cxr_edge.export.convert.metadata import Facts
from cxr_edge.export.graph.deployment import Deployment
from cxr_edge.export.recipes import Recipe

__all__ = ["Converter", "QuantizedLayer", "Ranges", "check_all_put", "find_layer"]

Ranges = Mapping[str, tuple[float, float]]
"""The least and the greatest value of the output of a layer, by its name."""


@dataclass(frozen=True)
class QuantizedLayer:
    """Integer weights in Keras' layout, a scale an output channel, and the float bias to be stored as int32."""

    integers: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]


class Converter(Protocol):
    """Writes one format, named as in `recipes.FORMATS`.

    `rounds_ties_to_even` says how the format's runtime rounds pixels to 8 bits: to even it merges neighbouring grey
    levels (see `Deployment.lower_pixels`).
    """

    format: str
    rounds_ties_to_even: bool

    def convert_float(self, deployment: Deployment) -> bytes:
        """Return the float32 file of a deployment. Raises ExportError when the library fails."""
        ...

    def quantize(
        self,
        float_content: bytes,
        recipe: Recipe,
        films: Pixels | None,
        *,
        whole: bool = False,
        ranges: Ranges | None = None,
    ) -> bytes:
        """Return the file of `recipe` made from the float32 one; `films` (n, 224, 224, 3) are for a calibrated recipe.

        The head behind the feature map stays float: it is a hundredth of the work, and int8 probabilities would have
        too few levels for a ROC. `whole` quantises it too, as stock tools do; its size and latency are what ours are
        held to. `ranges` take the place of those that the films show, where a layer has one. Raises ExportError for a
        calibrated recipe without films.
        """
        ...

    def put_layers(self, content: bytes, layers: Mapping[str, QuantizedLayer]) -> bytes:
        """Return an int8 file with other integers, scales and biases in its convolutions.

        Raises ExportError when the file has not exactly these layers.
        """
        ...

    def attach_facts(self, content: bytes, facts: Facts) -> bytes:
        """Return the file with what the manifest says of it inside. Raises ExportError for other outputs than theirs.

        The same facts give the same bytes.
        """
        ...


def find_layer(name: str, layers: Collection[str]) -> str | None:
    """Return the layer whose name is in a converter's tensor or operation, as in "backbone_1/Conv1_1/convolution"."""
    for part in re.split(r"[/;:]", name):
        # Keras numbers a layer's scope once more when it is called, and a fused ReLU is named after its layer.
        base = re.sub(r"_\d+$", "", part)
        for candidate in (part, base, base.removesuffix("_relu")):
            if candidate in layers:
                return candidate
    return None


def check_all_put(put: Collection[str], layers: Collection[str], format: str) -> None:
    """Raise ExportError unless every one of `layers` was `put` into a file of `format`."""
    missing = sorted(set(layers) - set(put))
    if missing:
        raise ExportError(f"repair: the .{format} lacks the layers {', '.join(missing)}; report this")
