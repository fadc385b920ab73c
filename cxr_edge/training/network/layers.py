"""A classifier described: Keras' own summary, its size, and the blocks that a picture of it is drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from cxr_edge.training.network.model import backbone_of

__all__ = ["Block", "Size", "list_blocks", "measure", "summarise"]

# What Rich takes for the width of a place that is no terminal; wider tables lose their last columns there.
_WIDTH = 80


@dataclass(frozen=True)
class Size:
    """Parameters of the whole classifier and of its backbone, and the layers of the backbone."""

    parameters: int
    backbone_parameters: int
    backbone_layers: int

    @property
    def float32_mb(self) -> float:
        """What the parameters take as float32, in MB of 1,000,000 bytes."""
        return self.parameters * 4 / 1e6


@dataclass(frozen=True)
class Block:
    """One layer of the classifier; the backbone counts as one. `trainable` and `parameters` are numbers of weights."""

    name: str
    kind: str
    shape: tuple[int | None, ...]
    parameters: int
    trainable: int


def measure(classifier: keras.Model) -> Size:
    """Return the size of a classifier of `build_classifier`."""
    backbone = backbone_of(classifier)
    return Size(classifier.count_params(), backbone.count_params(), len(backbone.layers))


def summarise(classifier: keras.Model) -> str:
    """Return Keras' summary of the classifier and then of its backbone, as text 80 characters wide."""
    lines: list[str] = []
    for model in (classifier, backbone_of(classifier)):
        model.summary(line_length=_WIDTH, print_fn=lambda line, **_: lines.append(line), show_trainable=True)
    return "\n".join(lines) + "\n"


def list_blocks(classifier: keras.Model) -> list[Block]:
    """Return the layers from the film to the probabilities."""
    return [
        Block(
            layer.name,
            type(layer).__name__ if not isinstance(layer, keras.Model) else f"{len(layer.layers)} layers",
            tuple(_output_shape(layer)),
            layer.count_params(),
            sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights),
        )
        for layer in classifier.layers
    ]


def _output_shape(layer: Any) -> tuple[int | None, ...]:
    shape: tuple[int | None, ...] = tuple(layer.output.shape)
    return shape[1:]
