"""Grad-CAM by automatic differentiation, which the maps of the artifacts are held against."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from cxr_edge.training.network.model import HEAD_UNITS, backbone_of

__all__ = ["grad_cam"]


def grad_cam(classifier: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """Grad-CAM of the predicted class by automatic differentiation, (n, 49), largest value 1."""
    features = backbone_of(classifier)(pixels.astype(np.float32) / 127.5 - 1, training=False)
    with tf.GradientTape() as tape:
        tape.watch(features)
        x = tf.reduce_mean(features, axis=(1, 2))
        for number in range(1, len(HEAD_UNITS) + 1):
            x = classifier.get_layer(f"dense_{number}")(x)
        last = classifier.get_layer("probabilities")
        largest = tf.reduce_max(x @ last.kernel + last.bias, axis=1)
    weights = tf.reduce_mean(tape.gradient(largest, features), axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(features * weights, axis=-1))
    return np.asarray(tf.reshape(heat / tf.reduce_max(heat, axis=(1, 2), keepdims=True), (-1, 49)))
