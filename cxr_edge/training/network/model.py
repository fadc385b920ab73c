"""The paper's classifier: an ImageNet backbone, global average pooling and a small multilayer perceptron.

Kongmanee 2021: pooling, dropout, Dense 64, 64, 64, 32, 32 with ReLU, dropout, Dense softmax. The input is the
toolkit's contract (uint8 pixels), rescaled to [0, 1] and then to the backbone's own [-1, 1] inside the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cxr_edge.contract import InputContract
from cxr_edge.errors import TrainingError, UsageError

__all__ = [
    "BACKBONES",
    "HEAD_UNITS",
    "POOLING",
    "Split",
    "backbone_of",
    "build_classifier",
    "build_head",
    "freeze",
    "split",
]

BACKBONES: dict[str, Callable[..., keras.Model]] = {
    "mobilenetv2": keras.applications.MobileNetV2,
    "inceptionv3": keras.applications.InceptionV3,
    "resnet50v2": keras.applications.ResNet50V2,
    "xception": keras.applications.Xception,
}
"""The paper's four backbones, all of which take pixels in [-1, 1]."""

HEAD_UNITS = (64, 64, 64, 32, 32)
POOLING = "pooled_features"
_BACKBONE = "backbone"
_MOMENTUM = 0.9
_DEAD_VARIANCE = 1e-5


def build_classifier(
    backbone: str = "mobilenetv2", *, weights: str = "imagenet", labels: int = 2, dropout: float = 0.2
) -> keras.Model:
    """Return the paper's classifier: uint8 (n, 224, 224, 3) to probabilities (n, labels).

    `weights` is "imagenet" (Keras downloads them), "none" or the path of a file for the backbone. The paper does not
    state its dropout rates; both are `dropout`. Raises UsageError for an unknown name, TrainingError for weights that
    cannot be had.
    """
    if backbone not in BACKBONES:
        raise UsageError(f"backbone '{backbone}' is unknown; choose one of {', '.join(BACKBONES)}")
    contract = InputContract()
    image = keras.Input(contract.shape[1:], dtype=contract.dtype, name=contract.name)
    x = keras.layers.Rescaling(1 / 255, name="to_unit_range")(image)
    x = keras.layers.Rescaling(2.0, -1.0, name="to_backbone_range")(x)
    x = _load_backbone(backbone, weights, contract)(x)
    x = keras.layers.GlobalAveragePooling2D(name=POOLING)(x)
    return keras.Model(image, _add_head(x, labels, dropout), name=f"cxr_{backbone}")


def build_head(features: int, *, labels: int = 2, dropout: float = 0.2) -> keras.Model:
    """Return the head alone: pooled features (n, features) to probabilities; its layers are named as a classifier's."""
    pooled = keras.Input((features,))
    return keras.Model(pooled, _add_head(pooled, labels, dropout), name="head")


def _add_head(x: Any, labels: int, dropout: float) -> Any:
    x = keras.layers.Dropout(dropout, name="dropout_1")(x)
    for number, units in enumerate(HEAD_UNITS, start=1):
        x = keras.layers.Dense(units, activation="relu", name=f"dense_{number}")(x)
    x = keras.layers.Dropout(dropout, name="dropout_2")(x)
    return keras.layers.Dense(labels, activation="softmax", name="probabilities")(x)


def backbone_of(classifier: keras.Model) -> keras.Model:
    """Return the backbone inside a classifier of `build_classifier`. Raises TrainingError when it has none."""
    for layer in classifier.layers:
        if isinstance(layer, keras.Model):
            return layer
    raise TrainingError(f"{classifier.name}: has no backbone layer; it was not built by cxr-edge")


def freeze(classifier: keras.Model, unfreeze: float, *, settled: bool = False) -> int:
    """Leave the last `unfreeze` (0 to 1) of the backbone's layers trainable; return how many are frozen.

    0.34 of MobileNetV2's 154 layers leaves 52, which is the paper's "first 102 frozen". With `settled` batch
    normalisation stays frozen everywhere: films hardly vary in some channels of the first blocks, and statistics of
    films would multiply these by so much that rounding the weights changes the answer.
    """
    if not 0.0 <= unfreeze <= 1.0:
        raise UsageError(f"--unfreeze {unfreeze}: must lie between 0 (frozen) and 1 (all layers train)")
    layers = backbone_of(classifier).layers
    frozen = len(layers) - round(len(layers) * unfreeze)
    for number, layer in enumerate(layers):
        layer.trainable = number >= frozen and not (settled and isinstance(layer, keras.layers.BatchNormalization))
    return frozen


@dataclass(frozen=True)
class Split:
    """A classifier cut in two where a single tensor crosses: `tail(front(pixels))` is the classifier.

    Both share the classifier's layers, so that training `tail` trains the classifier.
    """

    front: keras.Model
    tail: keras.Model


def split(classifier: keras.Model, frozen: int) -> Split:
    """Cut the classifier as late as possible within the first `frozen` layers of its backbone.

    With the whole backbone frozen the cut is behind the pooling.
    """
    backbone = backbone_of(classifier)
    pooling = classifier.get_layer(POOLING)
    if frozen >= len(backbone.layers):
        source = classifier.inputs[0]
        return Split(keras.Model(source, pooling.output), _head(classifier, keras.Input(pooling.output.shape[1:])))
    tensor = backbone.layers[_last_bridge(backbone, frozen)].output
    front = keras.Model(backbone.inputs[0], tensor)
    image = classifier.inputs[0]
    signed = classifier.get_layer("to_backbone_range").output
    entry = keras.Input(tensor.shape[1:])
    feature_map = keras.Model(tensor, backbone.outputs[0])(entry)
    tail = _head(classifier, pooling(feature_map), entry)
    return Split(keras.Model(image, front(signed)), tail)


def _head(classifier: keras.Model, x: Any, entry: Any = None) -> keras.Model:
    entry = x if entry is None else entry
    after = classifier.layers.index(classifier.get_layer(POOLING)) + 1
    for layer in classifier.layers[after:]:
        x = layer(x)
    return keras.Model(entry, x)


def _last_bridge(backbone: keras.Model, frozen: int) -> int:
    """Return the last layer under `frozen` whose output is all that the layers behind it read."""
    position = {id(layer): number for number, layer in enumerate(backbone.layers)}
    reach = 0
    bridge = 0
    last_reader = [0] * len(backbone.layers)
    for number, layer in enumerate(backbone.layers):
        for node in layer._inbound_nodes:
            for parent in node.parent_nodes:
                index = position.get(id(parent.operation))
                if index is not None:
                    last_reader[index] = max(last_reader[index], number)
    for number in range(min(frozen, len(backbone.layers))):
        # A tensor made before `number` and read after it would be lost by a cut behind `number`.
        if reach <= number:
            bridge = number
        reach = max(reach, last_reader[number])
    return bridge


def _load_backbone(name: str, weights: str, contract: InputContract) -> keras.Model:
    source: str | None = weights
    if weights == "none":
        source = None
    elif weights != "imagenet" and not Path(weights).is_file():
        raise UsageError(f"--weights {weights}: no such file; give a path, 'imagenet' or 'none'")
    try:
        backbone = BACKBONES[name](weights=source, include_top=False, input_shape=contract.shape[1:], name=_BACKBONE)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        if weights == "imagenet":
            raise TrainingError(
                f"--weights imagenet: Keras could not download the {name} weights ({reason}); "
                "connect to the network, or give a file or 'none'"
            ) from error
        raise TrainingError(f"--weights {weights}: does not fit {name} ({reason}); give its no-top file") from error
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # ImageNet's 0.999 follows over thousands of steps; a fine-tuning of a few hundred would be measured with
            # statistics that belong to other weights.
            layer.momentum = _MOMENTUM
    _silence_dead_channels(backbone)
    return backbone


def _silence_dead_channels(backbone: keras.Model) -> None:
    """Set the kernels of channels that never vary to zero, which leaves the answers as they are.

    The ImageNet weights of MobileNetV2 hold channels whose input is always 0. Their kernels are what chance left there,
    and batch normalisation multiplies them by up to 32: folded weights of 56 beside a median of 1.6. Once fine-tuning
    wakes the channel in front, they amplify it without measure, and no rounding of the weights is survived.
    """
    for layer in backbone.layers:
        if not isinstance(layer, keras.layers.BatchNormalization):
            continue
        convolution = layer.input._keras_history.operation
        depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
        if not (depthwise or isinstance(convolution, keras.layers.Conv2D)) or convolution.use_bias:
            continue
        dead = np.asarray(layer.moving_variance) < _DEAD_VARIANCE
        kernel = np.asarray(convolution.kernel).copy()
        mean = np.asarray(layer.moving_mean).copy()
        kernel[(..., dead, slice(None)) if depthwise else (..., dead)] = 0
        mean[dead] = 0
        convolution.kernel.assign(kernel)
        layer.moving_mean.assign(mean)
