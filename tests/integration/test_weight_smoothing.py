"""Averaged weights and shaken kernels do what their callbacks promise in a real `fit`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from cxr_edge.training.weight_smoothing import Average, Shake


def line(kernel: float = 0.0) -> keras.Model:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].set_weights([np.array([[kernel]], np.float32)])
    return model


def fit(model: keras.Model, rate: float, *callbacks: keras.callbacks.Callback) -> None:
    ones = np.ones((64, 1), np.float32)
    model.compile(keras.optimizers.SGD(rate), "mse")
    model.fit(ones, ones, batch_size=8, verbose=0, callbacks=list(callbacks))


def test_average_lies_between_the_start_and_the_end() -> None:
    model, average = line(), Average(0.9, [], every=1)
    fit(model, 0.05, average)
    assert 0 < average.weights[0][0, 0] < model.get_weights()[0][0, 0]


def test_average_goes_on_from_an_earlier_one() -> None:
    earlier = [np.full((1, 1), 5.0, np.float32)]
    average = Average(0.9, earlier, every=4)
    fit(line(1.0), 0.0, average)
    # Two of the eight batches are taken in: 1 + 4 x 0.9^8.
    assert average.weights[0][0, 0] == pytest.approx(1 + 4 * 0.9**8, rel=1e-5)


def test_shake_moves_the_kernel_by_at_most_half_a_step_and_back() -> None:
    model = line(2.0)
    seen: list[float] = []
    # Behind the callback under test, it notes the kernel as it is while a batch runs.
    note = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(float(model.get_weights()[0][0, 0]))
    )
    fit(model, 0.0, Shake(1.0, (0,)), note)
    moved = np.abs(np.array(seen) - 2.0)
    assert 0 < moved.max() <= 2.0 / 254 + 1e-6
    assert len(set(seen)) == 8
    assert model.get_weights()[0][0, 0] == pytest.approx(2.0, abs=1e-5)


def test_shake_keeps_what_a_batch_learned() -> None:
    model = line(0.5)
    fit(model, 0.05, Shake(1.0, (0,)))
    assert model.get_weights()[0][0, 0] == pytest.approx(1 - 0.5 * 0.9**8, abs=0.01)


def test_shake_takes_a_depthwise_channel_by_its_own_largest_weight() -> None:
    model = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.DepthwiseConv2D(3, use_bias=False)])
    kernel = np.ones((3, 3, 2, 1), np.float32)
    kernel[:, :, 1] = 100
    model.layers[0].set_weights([kernel])
    shake = Shake(1.0, (0,))
    shake.set_model(model)
    shake.on_train_begin()
    shake.on_train_batch_begin(0)
    noise = np.abs(model.get_weights()[0] - kernel).max(axis=(0, 1, 3))
    assert noise[0] <= 1 / 254 + 1e-6
    assert 1 / 254 < noise[1] <= 100 / 254 + 1e-4
