"""Which layers of a model lose most in int8: to a first order, from one backward pass."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cxr_edge.contract import Pixels
from cxr_edge.export.repair import rounding
from cxr_edge.export.repair.simulation import Convolution, convolve, list_nodes, quantize_activations

__all__ = ["rank_layers"]


def rank_layers(deployment: Any, films: Pixels) -> list[dict[str, Any]]:
    """Return a row for each convolution, the one that moves the result most first.

    `logit_change` is the root mean square, over the films, of gradient times error: how far rounding this layer alone
    (weights to the nearest integer, output to 8 bits) moves the difference of the two largest logits. `error` is the
    rounding error at the layer's own output, relative to the output's spread.
    """
    backbone = deployment.backbone
    nodes = [n for n in list_nodes(backbone) if isinstance(n.layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)]
    inner = keras.Model(backbone.inputs[0], [*(node.layer.output for node in nodes), backbone.outputs[0]])
    inputs = deployment.scale(films)
    with tf.GradientTape() as tape:
        *outputs, features = inner(inputs, training=False)
        logits = tf.sort(deployment.logits(features), axis=1, direction="DESCENDING")
        margin = tf.reduce_sum(logits[:, 0] - logits[:, 1])
    gradients = tape.gradient(margin, outputs)
    readers = keras.Model(backbone.inputs[0], [node.layer.input for node in nodes])
    rows = []
    for node, maps, output, gradient in zip(nodes, readers(inputs), outputs, gradients, strict=True):
        exact = np.asarray(output)
        convolution = Convolution(node.layer)
        weights = convolution.to_groups()
        scales = rounding.choose_scales(weights)
        kernel = convolution.from_groups(rounding.nearest(weights, scales) * scales[:, None, :])
        rounded = convolve(node.layer, np.asarray(maps), kernel, convolution.bias)
        low, high = (float(exact.min()), float(exact.max())) if node.ceiling is None else (0.0, node.ceiling)
        kept = np.clip(rounded, low, high)
        error = np.where(kept == rounded, quantize_activations(kept, low, min(high, float(exact.max()))) - exact, 0.0)
        moved = np.sum(np.asarray(gradient) * error, axis=(1, 2, 3))
        rows.append(
            {
                "layer": node.layer.name,
                "logit_change": float(np.sqrt(np.mean(moved**2))),
                "error": float(np.linalg.norm(error) / max(float(np.linalg.norm(exact - exact.mean())), 1e-9)),
            }
        )
    return sorted(rows, key=lambda row: -row["logit_change"])
