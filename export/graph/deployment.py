"""The graph that goes onto a device: pixels in; probabilities, heat map and typicality out, with ordinary operations.

The heat map is Grad-CAM (Selvaraju et al. 2017) of the predicted class without gradients at run time. The head is a
multilayer perceptron on pooled features, so the gradient of a logit is a product of weight matrices and ReLU masks.
With F the feature map (49, features), W the first weights and v the gradient at its output, Grad-CAM is
relu(F W v), and F W is also what the head needs: its mean over the positions is W applied to the pooled features.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from cxr_edge.contract import HEATMAP_SHAPE, InputContract
from cxr_edge.errors import ExportError
from cxr_edge.export.graph.folding import fold_batch_norm

__all__ = ["HEAD_SCOPE", "PIXEL_STEP", "Deployment", "TypicalityArrays", "freeze"]

Tensors = dict[str, Any]
"""TensorFlow's tensors by the names of the outputs."""

HEAD_SCOPE = "float_head"
"""The part of every operation's name behind the feature map, by which quantisers leave it in float."""
PIXEL_STEP = 2 / 255
"""How far two neighbouring grey levels lie apart in the backbone's range."""
_HEAD_LAYERS = ("dense_1", "dense_2", "dense_3", "dense_4", "dense_5", "probabilities")


@dataclass(frozen=True)
class TypicalityArrays:
    """What training found of its films: mean (features,), axes (features, rank) and the mean distance `rest`."""

    mean: npt.NDArray[Any]
    axes: npt.NDArray[Any]
    rest: float


@dataclass(frozen=True)
class _Dense:
    """The kernel (inputs, units) and the bias (units,) of a layer of the head."""

    kernel: npt.NDArray[Any]
    bias: npt.NDArray[Any]


class Deployment(tf.Module):
    """A trained classifier as the graph that is exported.

    Without `typicality` the graph has no such output. Raises ExportError for a classifier that is not ours.
    """

    def __init__(self, classifier: keras.Model, typicality: TypicalityArrays | None) -> None:
        super().__init__(name="deployment")
        backbones = [layer for layer in classifier.layers if isinstance(layer, keras.Model)]
        names = {layer.name for layer in classifier.layers}
        missing = [name for name in _HEAD_LAYERS if name not in names]
        if len(backbones) != 1 or missing:
            raise ExportError(
                f"{classifier.name}: its head is not the toolkit's (missing: {', '.join(missing) or 'one backbone'}); "
                "export takes models made by 'cxr-edge train'"
            )
        self.backbone = fold_batch_norm(backbones[0])
        self._head_layers = [_read_dense(classifier.get_layer(name)) for name in _HEAD_LAYERS]
        self._typicality = typicality
        self._nudge = 0.0
        known = ("probabilities", "heatmap")
        self.output_names: tuple[str, ...] = known if typicality is None else (*known, "typicality")

    def replace_backbone(self, backbone: keras.Model) -> Deployment:
        """Return the same graph over another backbone."""
        other = copy.copy(self)
        other.backbone = backbone
        return other

    def lower_pixels(self) -> Deployment:
        """Return the same graph with pixels a quarter of a step lower, which 8 bits hold without loss.

        Every grey level lies half a step from 0 and so, in 8 bits with 0 among them, between two integers: where ties
        are rounded to even, 128 levels are left. A little lower each level has an integer of its own, which stands for
        half a step less; the first bias has to make up for that.
        """
        other = copy.copy(self)
        other._nudge = PIXEL_STEP / 4
        return other

    @property
    def output_widths(self) -> list[int]:
        """The last dimension of each output, in the order of `output_names`."""
        spec = self.signature(1).structured_outputs
        return [int(spec[name].shape[-1]) for name in self.output_names]

    def signature(self, batch: int | None) -> Any:
        """Return the traced function for a batch of `batch` films, or of any number when None."""
        contract = InputContract()
        spec = tf.TensorSpec((batch, *contract.shape[1:]), tf.uint8, name=contract.name)
        return tf.function(self.__call__, input_signature=[spec]).get_concrete_function()

    def __call__(self, image: Any) -> Tensors:
        """Return the outputs for uint8 pixels (n, 224, 224, 3)."""
        pixels = self.scale(image)
        features = self.backbone(pixels - self._nudge if self._nudge else pixels, training=False)
        with tf.name_scope(HEAD_SCOPE):
            return self._head(features)

    @staticmethod
    def scale(image: Any) -> Any:
        """Return pixels in the backbone's range [-1, 1]: both rescalings of the classifier in one."""
        return tf.cast(image, tf.float32) * PIXEL_STEP - 1.0

    def logits(self, features: Any) -> Any:
        """Return the logits (n, labels) for a feature map, by the plain head; for the study of gradients."""
        hidden = tf.reduce_mean(features, axis=(1, 2))
        *layers, last = self._head_layers
        for layer in layers:
            hidden = tf.nn.relu(tf.matmul(hidden, layer.kernel) + layer.bias)
        return tf.matmul(hidden, last.kernel) + last.bias

    def _head(self, features: Any) -> Tensors:
        first, *middle, last = self._head_layers
        positions = features.shape[1] * features.shape[2]
        kernel = first.kernel[None, None]
        projected = tf.reshape(tf.nn.conv2d(features, kernel, 1, "VALID"), (-1, positions, first.kernel.shape[1]))
        hidden = [tf.nn.relu(tf.reduce_mean(projected, axis=1) + first.bias)]
        for layer in middle:
            hidden.append(tf.nn.relu(tf.matmul(hidden[-1], layer.kernel) + layer.bias))
        logits = tf.matmul(hidden[-1], last.kernel) + last.bias
        outputs = {"probabilities": tf.nn.softmax(logits)}
        gradient = self._gradient(logits, hidden, [layer.kernel for layer in (*middle, last)])
        heat = tf.nn.relu(tf.reduce_sum(projected * gradient[:, None, :], axis=2))
        heat = self._fit_cells(heat, features.shape[1], features.shape[2])
        outputs["heatmap"] = heat / tf.maximum(tf.reduce_max(heat, axis=1, keepdims=True), 1e-9)
        if self._typicality is not None:
            outputs["typicality"] = self._score(tf.reduce_mean(features, axis=(1, 2)), self._typicality)
        # A name for every output, that converters keep.
        return {name: tf.identity(value, name=name) for name, value in outputs.items()}

    @staticmethod
    def _fit_cells(heat: Any, rows: int, columns: int) -> Any:
        """Return a map of rows x columns cells with those of the contract: InceptionV3 sees 5 x 5."""
        cells = math.prod(HEATMAP_SHAPE)
        if rows * columns == cells:
            return heat
        grid = tf.reshape(heat, (-1, rows, columns, 1))
        return tf.reshape(tf.image.resize(grid, HEATMAP_SHAPE), (-1, cells))

    @staticmethod
    def _gradient(logits: Any, hidden: list[Any], weights: list[Any]) -> Any:
        """Return the gradient of the largest logit before the first ReLU, (n, units)."""
        # A comparison, for argmax and one_hot bring an operation that TFLite runtimes lack.
        chosen = tf.cast(logits >= tf.reduce_max(logits, axis=1, keepdims=True), tf.float32)
        for matrix, active in zip(reversed(weights), reversed(hidden), strict=True):
            chosen = tf.matmul(chosen, np.ascontiguousarray(matrix.T)) * tf.cast(active > 0, tf.float32)
        return chosen

    @staticmethod
    def _score(pooled: Any, typicality: TypicalityArrays) -> Any:
        """Return the typicality (n, 1) of pooled features (n, features), as in training."""
        total = tf.maximum(tf.reduce_sum(pooled, axis=1, keepdims=True), 1e-6)
        centred = tf.sqrt(tf.maximum(pooled, 0.0) / total) - typicality.mean
        along = tf.matmul(centred, typicality.axes)
        left = tf.reduce_sum(centred**2, axis=1, keepdims=True) - tf.reduce_sum(along**2, axis=1, keepdims=True)
        return left / typicality.rest


def _read_dense(layer: Any) -> _Dense:
    kernel, bias = layer.get_weights()
    return _Dense(np.asarray(kernel), np.asarray(bias))


def freeze(deployment: Deployment, *, batch: int | None) -> Any:
    """Return the traced graph with its weights as constants, for a batch of `batch` films or of any number."""
    return convert_variables_to_constants_v2(deployment.signature(batch))
