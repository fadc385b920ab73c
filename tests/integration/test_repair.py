"""Simulation, fitting and ranking on a small network of the kinds of layers that a MobileNetV2 has."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from cxr_edge.errors import ExportError
from cxr_edge.export.convert.base import find_layer
from cxr_edge.export.repair import fitting
from cxr_edge.export.repair.fitting import FitOptions, fit_layers
from cxr_edge.export.repair.ranges import choose_ranges
from cxr_edge.export.repair.sensitivity import rank_layers
from cxr_edge.export.repair.simulation import Convolution, convolve, list_nodes, quantize_activations, taps


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(12, 3, strides=2, padding="same", name="stem")(image)
    x = keras.layers.ReLU(6.0, name="stem_relu")(x)
    short = keras.layers.Conv2D(8, 1, name="project")(x)
    x = keras.layers.Conv2D(32, 1, name="expand")(short)
    x = keras.layers.ReLU(6.0, name="expand_relu")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = keras.layers.ReLU(6.0, name="depthwise_relu")(x)
    x = keras.layers.Conv2D(8, 1, name="shrink")(x)
    x = keras.layers.Add(name="add")([short, x])
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name="pad")(x)
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="valid", name="down")(x)
    model = keras.Model(image, keras.layers.ReLU(6.0, name="out_relu")(x))
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if layer.weights:
            # Channels of very different size, as folded batch normalisations leave them.
            kernel, bias = layer.get_weights()
            layer.set_weights(
                [kernel * np.exp(rng.normal(0, 1.0, kernel.shape)), bias + rng.normal(0, 0.3, bias.shape)]
            )
    return model


@pytest.fixture(scope="module")
def films() -> np.ndarray:
    coarse = np.random.default_rng(2).uniform(-1, 1, (24, 8, 8, 3))
    return np.repeat(np.repeat(coarse, 4, axis=1), 4, axis=2).astype(np.float32)


def fit(backbone: keras.Model, films: np.ndarray, options: FitOptions) -> Any:
    ranges = choose_ranges(backbone, films, lambda done, total: None)
    return fit_layers(backbone, films, ranges, options, lambda done, total: None)


def output_error(backbone: keras.Model, films: np.ndarray, options: FitOptions) -> float:
    """Relative error of the backbone's output with the fitted weights in place of its own."""
    fitted = fit(backbone, films[:16], options)
    exact = np.asarray(backbone(films[16:]))
    kept = {layer.name: layer.get_weights() for layer in backbone.layers if layer.weights}
    for name, layer in fitted.items():
        scales = layer.scales[:, None] if "depthwise" in name or name == "down" else layer.scales
        backbone.get_layer(name).set_weights([layer.integers * scales, layer.bias])
    given = np.asarray(backbone(films[16:]))
    for name, weights in kept.items():
        backbone.get_layer(name).set_weights(weights)
    return float(np.linalg.norm(given - exact) / np.linalg.norm(exact - exact.mean()))


@pytest.mark.parametrize("name", ["stem", "expand", "depthwise", "down"])
def test_convolve_equals_the_layer(backbone: keras.Model, films: np.ndarray, name: str) -> None:
    layer = backbone.get_layer(name)
    inputs = np.asarray(keras.Model(backbone.inputs[0], layer.input)(films))
    expected = np.asarray(layer(inputs))
    convolution = Convolution(layer)
    assert convolve(layer, inputs, convolution.kernel, convolution.bias) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["stem", "project", "depthwise", "down"])
def test_taps_times_weights_are_the_output(backbone: keras.Model, films: np.ndarray, name: str) -> None:
    layer = backbone.get_layer(name)
    inputs = np.asarray(keras.Model(backbone.inputs[0], layer.input)(films))
    convolution = Convolution(layer)
    groups = convolution.to_groups()
    columns = list(taps(layer, inputs))
    if convolution.depthwise:
        output = sum(column * groups[:, index, 0] for index, column in enumerate(columns))
    else:
        output = np.concatenate(columns, axis=-1) @ groups[0]
    assert output + convolution.bias == pytest.approx(np.asarray(layer(inputs)), abs=1e-3)


@pytest.mark.parametrize("name", ["stem", "depthwise"])
def test_groups_go_back_into_the_kernels_layout(backbone: keras.Model, name: str) -> None:
    convolution = Convolution(backbone.get_layer(name))
    assert np.array_equal(convolution.from_groups(convolution.to_groups()), convolution.kernel)


def test_nodes_know_their_fused_activation_and_what_is_done(backbone: keras.Model) -> None:
    nodes = {node.layer.name: node for node in list_nodes(backbone)}
    assert nodes["stem"].ceiling == 6.0
    assert nodes["project"].ceiling is None
    # What the shortcut reads is still wanted after the expansion has read it.
    assert nodes["expand"].done == ()
    assert set(nodes["add"].done) == set(nodes["add"].inputs)


def test_an_unknown_layer_is_named() -> None:
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.MaxPooling2D(name="pool")(image))
    with pytest.raises(ExportError, match="pool: repair knows no MaxPooling2D layers yet; add --no-repair"):
        list_nodes(model)


def test_quantized_activations_have_256_levels_with_zero_among_them() -> None:
    values = np.linspace(-1, 3, 5000).astype(np.float32)
    given = quantize_activations(values, -1.0, 3.0)
    assert len(np.unique(given)) == 256
    assert 0.0 in given
    assert np.abs(given - values).max() < 0.51 * 4 / 255 + 4 / 255


def test_integers_fit_eight_bits_and_every_layer_has_them(backbone: keras.Model, films: np.ndarray) -> None:
    fitted = fit(backbone, films, FitOptions())
    assert set(fitted) == {"stem", "project", "expand", "depthwise", "shrink", "down"}
    assert all(np.abs(layer.integers.astype(int)).max() <= 127 for layer in fitted.values())


def test_rounding_by_inputs_loses_less_than_rounding_to_the_nearest(backbone: keras.Model, films: np.ndarray) -> None:
    by_inputs, nearest = (output_error(backbone, films, FitOptions(rounding=kind)) for kind in ("inputs", "nearest"))
    assert by_inputs < nearest


def test_fitting_repeats(backbone: keras.Model, films: np.ndarray) -> None:
    first, second = (fit(backbone, films, FitOptions(rows=500)) for _ in range(2))
    assert all(np.array_equal(first[n].integers, second[n].integers) for n in first)


def test_a_depthwise_layer_is_fitted_alike_however_few_channels_are_held(
    backbone: keras.Model, films: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = FitOptions(refit_ridge=0.1)
    whole = fit(backbone, films, options)
    monkeypatch.setattr(fitting, "_CHANNELS", 5)
    parts = fit(backbone, films, options)
    assert all(np.array_equal(whole[name].integers, parts[name].integers) for name in whole)
    assert all(whole[name].bias == pytest.approx(parts[name].bias, rel=1e-5, abs=1e-6) for name in whole)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("backbone_1/stem_1/convolution", "stem"),
        ("backbone_1/depthwise_relu_1/Relu6:0", "depthwise"),
        ("stem;stem_relu/Relu6", "stem"),
        ("float_head/Conv2D", None),
    ],
)
def test_a_converters_name_leads_to_its_layer(
    backbone: keras.Model, films: np.ndarray, name: str, layer: str | None
) -> None:
    assert find_layer(name, fit(backbone, films[:2], FitOptions(rounding="nearest"))) == layer


class SmallDeployment:
    """What the ranking asks of a deployment, around the small network."""

    def __init__(self, backbone: keras.Model) -> None:
        self.backbone = backbone
        self.weights = np.random.default_rng(3).normal(size=(8, 2)).astype(np.float32)

    @staticmethod
    def scale(films: np.ndarray) -> Any:
        return keras.ops.convert_to_tensor(films)

    def logits(self, features: Any) -> Any:
        return keras.ops.matmul(keras.ops.mean(features, axis=(1, 2)), self.weights)


def test_a_coarser_layer_ranks_higher(films: np.ndarray, backbone: keras.Model) -> None:
    spoiled = keras.models.clone_model(backbone)
    spoiled.set_weights(backbone.get_weights())
    kernel, bias = spoiled.get_layer("shrink").get_weights()
    # One large weight an output takes all the levels from the others.
    kernel[0, 0, 0, :] *= 300
    spoiled.get_layer("shrink").set_weights([kernel, bias])
    ranks = [
        [row.layer for row in rank_layers(SmallDeployment(model), films)].index("shrink")
        for model in (backbone, spoiled)
    ]
    assert ranks[1] <= ranks[0]
    assert ranks[1] == 0
