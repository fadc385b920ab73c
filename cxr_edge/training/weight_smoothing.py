"""Two means to flat minima, whose weights can be rounded: shaken kernels while training, and averaged weights after.

Both are callbacks of Keras' `fit`. Shaking is the noise that rounding to 8 bits would add, drawn anew for every batch;
the gradient is taken where the rounded network would be (noise in place of rounding: Défossez et al. 2022, DiffQ).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

__all__ = ["Average", "Shake"]


class Average(keras.callbacks.Callback):
    """Keeps an exponential moving average of all of a model's weights, batch-norm statistics included.

    `weights` may hold the average of an earlier run to go on from; `every` batches one is taken in.
    """

    def __init__(self, momentum: float, weights: list[Any], *, every: int = 4) -> None:
        super().__init__()
        self.kept = momentum**every
        self.weights = weights
        self.every = every

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Take the model's weights into the average."""
        if batch % self.every:
            return
        now = self.model.get_weights()
        if self.weights:
            self.weights = [self.kept * old + (1 - self.kept) * new for old, new in zip(self.weights, now, strict=True)]
        else:
            self.weights = now


class Shake(keras.callbacks.Callback):
    """Adds to every kernel, for the length of a batch, uniform noise of half a step of an 8-bit rounding per channel.

    `share` scales it; 1 is such a rounding.
    """

    def __init__(self, share: float, seed: tuple[int, ...]) -> None:
        super().__init__()
        self.share = share
        self.rng = np.random.default_rng(list(seed))
        self.kernels: list[Any] = []
        self.noise: list[Any] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Find the kernels that train."""
        self.kernels = [w for w in self.model.trainable_variables if w.name == "kernel"]

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Add the noise."""
        self.noise = []
        for kernel in self.kernels:
            values = np.asarray(kernel)
            # A depthwise kernel is (height, width, channels, 1), all others end with their output channels.
            axes = (0, 1) if values.ndim == 4 and values.shape[-1] == 1 else tuple(range(values.ndim - 1))
            half_step = np.abs(values).max(axis=axes, keepdims=True) / 254
            noise = self.rng.uniform(-self.share, self.share, values.shape) * half_step
            self.noise.append(noise.astype(np.float32))
            kernel.assign(values + self.noise[-1])

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Take the noise away again; what the step learned stays."""
        for kernel, noise in zip(self.kernels, self.noise, strict=True):
            kernel.assign_sub(noise)
