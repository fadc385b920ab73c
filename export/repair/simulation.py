"""A folded backbone run layer by layer, in float and as an int8 runtime would, so that each layer can be fitted.

Both runtimes do the same arithmetic on the backbone: int8 weights with a scale an output channel, 8-bit activations
with one scale a tensor (see `ranges`), a ReLU fused into the convolution in front of it. What differs is a last bit of
rounding, far below one step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cxr_edge.errors import ExportError

__all__ = [
    "Convolution",
    "Node",
    "convolve",
    "list_nodes",
    "quantize_activations",
    "run_node",
    "take",
    "taps",
    "walk",
]

Maps = npt.NDArray[np.float32]
_CHUNK = 16


@dataclass(frozen=True)
class Node:
    """One step of the backbone: a Keras layer, the tensors it reads and the one it writes.

    `ceiling` is the greatest value that a ReLU fused behind a convolution lets through (inf for a plain ReLU, None
    without one); `done` are the tensors that nothing reads any more afterwards.
    """

    layer: Any
    inputs: tuple[int, ...]
    output: int
    ceiling: float | None
    done: tuple[int, ...]

    @property
    def is_quantized(self) -> bool:
        """Whether the output becomes 8 bits of a range of its own.

        What a fused ReLU clips, it quantises too; zero is a level of its own, so that padding needs no new range.
        """
        return self.ceiling is None and not isinstance(self.layer, keras.layers.ZeroPadding2D)


class Convolution:
    """The weights of a (depthwise) convolution as groups of matrices: (groups, inputs, outputs)."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        kernel, bias = layer.get_weights()
        self.kernel: npt.NDArray[np.float64] = np.asarray(kernel, np.float64)
        self.bias: npt.NDArray[np.float64] = np.asarray(bias, np.float64)

    def to_groups(self) -> npt.NDArray[np.float64]:
        """Return the kernel as matrices, one a channel where it is depthwise."""
        height, width, channels, outputs = self.kernel.shape
        if self.depthwise:
            return self.kernel[..., 0].reshape(height * width, channels).T[:, :, None]
        return self.kernel.reshape(1, height * width * channels, outputs)

    def from_groups(self, groups: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return matrices of `to_groups` in the kernel's own layout."""
        if self.depthwise:
            return groups[:, :, 0].T.reshape(self.kernel.shape)
        return groups.reshape(self.kernel.shape)


def list_nodes(backbone: keras.Model) -> list[Node]:
    """Return the steps of a folded backbone in order. Raises ExportError for a layer that is not simulated."""
    layers = [layer for layer in backbone.layers if not isinstance(layer, keras.layers.InputLayer)]
    reads = {layer.name: [id(tensor) for tensor in tf.nest.flatten(layer.input)] for layer in layers}
    readers: dict[int, list[Any]] = {}
    for layer in layers:
        for tensor in reads[layer.name]:
            readers.setdefault(tensor, []).append(layer)
    last = {tensor: users[-1].name for tensor, users in readers.items()}
    known = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.ReLU, keras.layers.Add)
    nodes = []
    for layer in layers:
        if not isinstance(layer, (*known, keras.layers.ZeroPadding2D)) or isinstance(
            layer, keras.layers.SeparableConv2D
        ):
            raise ExportError(f"{layer.name}: repair knows no {type(layer).__name__} layers yet; add --no-repair")
        after = readers.get(id(layer.output), [])
        fused = isinstance(layer, known[:2]) and len(after) == 1 and isinstance(after[0], keras.layers.ReLU)
        ceiling = (after[0].max_value or float("inf")) if fused else None
        done = tuple(tensor for tensor in set(reads[layer.name]) if last[tensor] == layer.name)
        nodes.append(Node(layer, tuple(reads[layer.name]), id(layer.output), ceiling, done))
    return nodes


def quantize_activations(values: Maps, low: float, high: float) -> Maps:
    """Return values as 8 bits over [low, high] (with 0 in it) give them back."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255 or 1.0
    zero = np.rint(-low / scale)
    result = np.empty(values.shape, np.float32)
    for start in range(0, len(values), _CHUNK):
        steps = np.clip(np.rint(values[start : start + _CHUNK] / scale) + zero, 0, 255)
        result[start : start + _CHUNK] = (steps - zero) * scale
    return result


def convolve(layer: Any, maps: Maps, kernel: npt.NDArray[Any], bias: npt.NDArray[Any]) -> Maps:
    """Return a layer's output for maps (n, height, width, channels) with other weights than its own."""
    weights, offset = tf.constant(kernel, tf.float32), tf.constant(bias, tf.float32)
    padding, strides = layer.padding.upper(), layer.strides
    result = np.empty(layer.compute_output_shape(maps.shape), np.float32)
    for start in range(0, len(maps), _CHUNK):
        part = tf.constant(maps[start : start + _CHUNK], tf.float32)
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            output = tf.nn.depthwise_conv2d(part, weights, (1, *strides, 1), padding)
        else:
            output = tf.nn.conv2d(part, weights, strides, padding)
        result[start : start + _CHUNK] = output + offset
    return result


def run_node(node: Node, inputs: list[Maps]) -> Maps:
    """Return a step's float output for the tensors that it reads, a fused ReLU left to the step of its own."""
    layer = node.layer
    if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
        kernel, bias = layer.get_weights()
        return convolve(layer, inputs[0], kernel, bias)
    if isinstance(layer, keras.layers.ReLU):
        return np.clip(inputs[0], 0.0, layer.max_value or np.inf)
    if isinstance(layer, keras.layers.Add):
        return inputs[0] + inputs[1]
    return np.pad(inputs[0], ((0, 0), *layer.padding, (0, 0)))


def take(run: dict[int, Maps], node: Node) -> list[Maps]:
    """Return the tensors that a step reads, those that nothing reads afterwards taken out of `run`."""
    tensors = [run[tensor] for tensor in node.inputs]
    for tensor in node.done:
        del run[tensor]
    return tensors


def walk(backbone: keras.Model, nodes: list[Node], films: Maps) -> Iterator[tuple[Node, Maps]]:
    """Yield each step with its float output for a few of the films, then for the next few, so that little is held.

    `nodes` are the backbone's, of `list_nodes`; `films` are (n, 224, 224, 3) in [-1, 1].
    """
    for start in range(0, len(films), _CHUNK):
        maps = {id(backbone.inputs[0]): films[start : start + _CHUNK]}
        for node in nodes:
            maps[node.output] = output = run_node(node, take(maps, node))
            yield node, output


def taps(layer: Any, maps: Maps) -> Iterator[Maps]:
    """Yield the input under each place of the kernel, by rows: (n, out height, out width, channels) each."""
    (height, width), (down, across) = layer.kernel_size, layer.strides
    rows, columns = maps.shape[1:3]
    if layer.padding == "same":
        out_rows, out_columns = -(-rows // down), -(-columns // across)
        tall = max((out_rows - 1) * down + height - rows, 0)
        wide = max((out_columns - 1) * across + width - columns, 0)
        maps = np.pad(maps, ((0, 0), (tall // 2, tall - tall // 2), (wide // 2, wide - wide // 2), (0, 0)))
    else:
        out_rows, out_columns = (rows - height) // down + 1, (columns - width) // across + 1
    for row in range(height):
        for column in range(width):
            yield maps[:, row : row + out_rows * down : down, column : column + out_columns * across : across][
                :, :out_rows, :out_columns
            ]
