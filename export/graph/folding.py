"""Batch normalisation folded into the convolution in front of it, in the Keras model itself.

Converters fold it too, each in its own way; folding first gives all formats the same weights and biases, and the
repair of an int8 model something to act on. The function of the model does not change.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

__all__ = ["fold_batch_norm"]

Array = npt.NDArray[np.float64]

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """Return a copy of a functional model with each batch normalisation inside the convolution that feeds it alone.

    A normalisation behind anything else (ResNet's pre-activation) stays as it is.
    """
    folded = _find_pairs(model)
    merged = {norm.name for norm in folded.values()}

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if layer.name in folded:
            config["use_bias"] = True
        return layer.__class__.from_config(config)

    def call(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        return args[0] if layer.name in merged else layer(*args, **kwargs)

    copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in model.layers:
        if layer.name in folded:
            copy.get_layer(layer.name).set_weights(_merge(layer, folded[layer.name]))
        elif layer.name not in merged and layer.weights:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    copy.trainable = False
    return copy


def _find_pairs(model: keras.Model) -> dict[str, keras.layers.BatchNormalization]:
    """Return the batch normalisation to fold into each convolution, by the convolution's name."""
    readers: dict[str, list[Any]] = {}
    for layer in model.layers:
        for node in layer._inbound_nodes:
            for parent in node.parent_nodes:
                readers.setdefault(parent.operation.name, []).append(layer)
    pairs = {}
    for layer in model.layers:
        following = readers.get(layer.name, [])
        is_linear = isinstance(layer, _CONVOLUTIONS) and layer.activation is keras.activations.linear
        if is_linear and len(following) == 1 and isinstance(following[0], keras.layers.BatchNormalization):
            pairs[layer.name] = following[0]
    return pairs


def _merge(layer: keras.layers.Layer, norm: keras.layers.BatchNormalization) -> list[Array]:
    """Return the layer's weights with the normalisation y = scale x + offset multiplied in; the bias comes last."""
    mean = np.asarray(norm.moving_mean, np.float64)
    variance = np.asarray(norm.moving_variance, np.float64)
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * np.asarray(norm.gamma, np.float64)
    offset = -mean * scale + (np.asarray(norm.beta, np.float64) if norm.center else 0.0)
    weights = [np.asarray(value, np.float64) for value in layer.get_weights()]
    bias = weights.pop() if layer.use_bias else np.zeros_like(scale)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        # (height, width, channels, multiplier): the normalisation's channels are the last two axes, flattened.
        weights[-1] = weights[-1] * scale.reshape(weights[-1].shape[2:])
    else:
        weights[-1] = weights[-1] * scale
    return [*weights, bias * scale + offset]
