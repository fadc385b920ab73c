"""Which layers of a model lose most in int8: to a first order, from one backward pass."""

from __future__ import annotations

from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cxr_edge.contract import Pixels
from cxr_edge.export.repair import rounding
from cxr_edge.export.repair.record import LayerSensitivity
from cxr_edge.export.repair.simulation import Convolution, Node, convolve, list_nodes, quantize_activations

__all__ = ["Network", "rank_layers"]

Maps = npt.NDArray[np.float32]


class Network(Protocol):
    """What a ranking asks of a `Deployment`: its backbone, and the way into it and out of it."""

    backbone: keras.Model

    def scale(self, image: Any) -> Any:
        """Return pixels as the backbone takes them."""
        ...

    def logits(self, features: Any) -> Any:
        """Return the logits (n, labels) for a feature map."""
        ...


def rank_layers(network: Network, films: Pixels) -> list[LayerSensitivity]:
    """Return the sensitivity of each convolution, the one that moves the result most first.

    Each layer is rounded alone: weights to the nearest integer, output to 8 bits.
    """
    backbone, inputs = network.backbone, network.scale(films)
    kinds = keras.layers.Conv2D | keras.layers.DepthwiseConv2D
    nodes = [node for node in list_nodes(backbone) if isinstance(node.layer, kinds)]
    outputs, gradients = _differentiate(network, nodes, inputs)
    read = keras.Model(backbone.inputs[0], [node.layer.input for node in nodes])(inputs)
    rows = []
    for node, maps, output, gradient in zip(nodes, read, outputs, gradients, strict=True):
        exact = np.asarray(output)
        error = _round_layer(node, np.asarray(maps), exact)
        moved = np.sum(np.asarray(gradient) * error, axis=(1, 2, 3))
        spread = max(float(np.linalg.norm(exact - exact.mean())), 1e-9)
        rows.append(
            LayerSensitivity(
                layer=node.layer.name,
                logit_change=float(np.sqrt(np.mean(moved**2))),
                error=float(np.linalg.norm(error) / spread),
            )
        )
    return sorted(rows, key=lambda row: -row.logit_change)


def _differentiate(network: Network, nodes: list[Node], inputs: Any) -> tuple[list[Any], list[Any]]:
    """Return the output of each layer, and the gradient there of the difference of the two largest logits."""
    backbone = network.backbone
    inner = keras.Model(backbone.inputs[0], [*(node.layer.output for node in nodes), backbone.outputs[0]])
    with tf.GradientTape() as tape:
        *outputs, features = inner(inputs, training=False)
        logits = tf.sort(network.logits(features), axis=1, direction="DESCENDING")
        margin = tf.reduce_sum(logits[:, 0] - logits[:, 1])
    return outputs, tape.gradient(margin, outputs)


def _round_layer(node: Node, maps: Maps, exact: Maps) -> Maps:
    """Return how far a rounded layer's output for `maps` lies from `exact`, behind its ReLU where one is fused."""
    convolution = Convolution(node.layer)
    weights = convolution.to_groups()
    scales = rounding.choose_scales(weights)
    kernel = convolution.from_groups(rounding.nearest(weights, scales) * scales[:, None, :])
    rounded = convolve(node.layer, maps, kernel, convolution.bias)
    greatest = float(exact.max())
    low, high = (float(exact.min()), greatest) if node.ceiling is None else (0.0, node.ceiling)
    kept = np.clip(rounded, low, high)
    error: Maps = np.where(kept == rounded, quantize_activations(kept, low, min(high, greatest)) - exact, 0.0)
    return error
