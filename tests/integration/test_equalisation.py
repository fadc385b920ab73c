"""Equalised channels: the same answers, and tensors whose channels fill their range."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from cxr_edge.export.repair.equalisation import EqualisationOptions, equalise
from cxr_edge.export.repair.simulation import list_nodes, quantize_activations, run_node


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    """A block with a shortcut, as MobileNetV2 has them, whose channels differ a hundredfold in size."""
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(12, 3, strides=2, padding="same", name="stem")(image)
    x = keras.layers.ReLU(6.0, name="stem_relu")(x)
    short = keras.layers.Conv2D(8, 1, name="project")(x)
    x = keras.layers.Conv2D(32, 1, name="expand")(short)
    x = keras.layers.ReLU(6.0, name="expand_relu")(x)
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name="pad")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = keras.layers.ReLU(6.0, name="depthwise_relu")(x)
    x = keras.layers.Conv2D(8, 2, name="shrink")(x)
    x = keras.layers.Add(name="add")([short, x])
    x = keras.layers.Conv2D(16, 1, name="last")(x)
    model = keras.Model(image, keras.layers.ReLU(6.0, name="out_relu")(x))
    rng = np.random.default_rng(1)
    for name in ("stem", "project", "depthwise", "shrink"):
        kernel, bias = model.get_layer(name).get_weights()
        sizes = 10 ** rng.uniform(-2, 0, len(bias))
        factors = sizes[:, None] if name == "depthwise" else sizes
        model.get_layer(name).set_weights([kernel * factors, np.abs(rng.normal(0, 0.2, bias.shape)) * sizes])
    return model


@pytest.fixture(scope="module")
def films() -> np.ndarray:
    coarse = np.random.default_rng(2).uniform(-1, 1, (24, 8, 8, 3))
    return np.repeat(np.repeat(coarse, 4, axis=1), 4, axis=2).astype(np.float32)


def channel_reach(model: keras.Model, name: str, films: np.ndarray) -> Any:
    values = np.asarray(keras.Model(model.inputs[0], model.get_layer(name).output)(films))
    return np.abs(values).max(axis=(0, 1, 2))


def test_the_answers_stay(backbone: keras.Model, films: np.ndarray) -> None:
    equal = equalise(backbone, films)
    assert np.asarray(equal(films)) == pytest.approx(np.asarray(backbone(films)), abs=1e-4)


def test_the_given_backbone_is_not_touched(backbone: keras.Model, films: np.ndarray) -> None:
    before = backbone.get_weights()
    equalise(backbone, films)
    assert all(np.array_equal(a, b) for a, b in zip(before, backbone.get_weights(), strict=True))


@pytest.mark.parametrize("name", ["stem_relu", "depthwise_relu"])
def test_channels_come_near_the_ceiling_and_not_above(backbone: keras.Model, films: np.ndarray, name: str) -> None:
    before, after = (channel_reach(model, name, films) for model in (backbone, equalise(backbone, films)))
    assert after.max() < 6.0
    assert after == pytest.approx(np.where(before > 0, np.minimum(6.0 / 1.1, 64 * before), 0), rel=1e-3)


def test_tensors_that_an_addition_ties_share_their_factors(backbone: keras.Model, films: np.ndarray) -> None:
    equal = equalise(backbone, films)
    reach = np.maximum.reduce([channel_reach(equal, name, films) for name in ("project", "shrink", "add")])
    assert reach.min() > 0.99 * reach.max()


def test_no_channel_is_stretched_more_than_allowed(backbone: keras.Model, films: np.ndarray) -> None:
    equal = equalise(backbone, films, EqualisationOptions(most=2.0))
    grown = channel_reach(equal, "stem_relu", films) / np.maximum(channel_reach(backbone, "stem_relu", films), 1e-9)
    assert grown.max() == pytest.approx(2.0, rel=1e-3)


def test_eight_bits_keep_more_of_equal_channels(backbone: keras.Model, films: np.ndarray) -> None:
    exact = np.asarray(backbone(films))
    plain, equal = (_run_in_8_bits(model, films) for model in (backbone, equalise(backbone, films)))
    assert np.linalg.norm(equal - exact) < 0.6 * np.linalg.norm(plain - exact)


def _run_in_8_bits(model: keras.Model, films: np.ndarray) -> Any:
    """Run with float weights, every tensor rounded to 8 bits over its range."""
    maps: dict[int, Any] = {id(model.inputs[0]): films}
    for node in list_nodes(model):
        value = run_node(node, [maps[tensor] for tensor in node.inputs])
        if node.ceiling is None:
            value = quantize_activations(value, float(value.min()), float(value.max()))
        maps[node.output] = value
    return value
