"""Clipped ranges lose less than full ones on what was seen, and the artifacts of both formats take them."""

from __future__ import annotations

import keras
import numpy as np
import onnx as onnx_format
import pytest
from onnx import numpy_helper

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.export.convert import flatbuffer
from cxr_edge.export.convert.litert import LiteRTConverter
from cxr_edge.export.convert.onnx import ONNXConverter
from cxr_edge.export.recipes import RECIPES
from cxr_edge.export.repair import ranges
from cxr_edge.export.repair.ranges import choose_ranges
from cxr_edge.export.repair.simulation import quantize_activations

FILMS = np.random.default_rng(0).uniform(-1, 1, (20, 16, 16, 3)).astype(np.float32)
FILMS[3, 4, 5] = 60.0


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    """A network whose last tensor has a long tail: one pixel is far brighter than all others."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    x = keras.layers.ReLU(6.0, name="stem_relu")(keras.layers.Conv2D(8, 3, padding="same", name="stem")(image))
    x = keras.layers.ZeroPadding2D(1, name="pad")(x)
    model = keras.Model(image, keras.layers.Conv2D(4, 3, name="last")(x))
    return model


def test_every_quantised_tensor_has_a_range_within_what_it_shows(backbone: keras.Model) -> None:
    seen: list[int] = []
    chosen = choose_ranges(backbone, FILMS, lambda done, total: seen.append(done))
    # The convolution in front of a ReLU and the padding have none of their own.
    assert set(chosen) == {"stem_relu", "last"}
    assert seen == sorted(seen)
    assert seen[-1] == 2 * len(FILMS)
    outputs = keras.Model(backbone.inputs[0], [backbone.get_layer(name).output for name in chosen])(FILMS)
    for (low, high), output in zip(chosen.values(), outputs, strict=True):
        values = np.asarray(output)
        assert min(values.min(), 0) - 1e-6 <= low <= 0 <= high <= values.max() + 1e-6


def test_a_clipped_range_loses_no_more_than_the_full_one_or_any_other(backbone: keras.Model) -> None:
    values = np.asarray(backbone(FILMS))
    full = float(min(values.min(), 0)), float(values.max())
    chosen = choose_ranges(backbone, FILMS, lambda done, total: None)["last"]

    def loss(share: float) -> float:
        return float(np.mean((quantize_activations(values, full[0] * share, full[1] * share) - values) ** 2))

    taken = chosen[1] / full[1]
    assert taken < 1
    assert loss(taken) < loss(1.0)
    # Histograms stand for the values, so that a neighbouring share may be as good.
    assert loss(taken) < 1.02 * min(loss(share) for share in np.linspace(0.3, 1.0, 36))


def test_values_without_a_tail_keep_their_range() -> None:
    assert ranges._narrow((-2.0, 2.0), np.ones(4096)) == (-2.0, 2.0)


def test_a_tensor_that_is_always_zero_has_an_empty_range() -> None:
    counts = np.histogram(np.zeros(9), 4096, (0.0, 0.0))[0].astype(float)
    assert ranges._narrow((0.0, 0.0), counts) == (0.0, 0.0)


def test_tflite_takes_a_range(tiny_bundle: Bundle) -> None:
    content = tiny_bundle.artifact_bytes(tiny_bundle.artifact("float32"))
    films = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 3), np.uint8)
    made = LiteRTConverter().quantize(content, RECIPES["int8"], films, ranges={"block_2_add": (-5.0, 20.5)})
    scales = {
        tensor.name.decode(): float(tensor.quantization.scale[0])
        for tensor in flatbuffer.read(made).subgraphs[0].tensors
        if tensor.quantization is not None and tensor.quantization.scale is not None
    }
    found = [scale for name, scale in scales.items() if "block_2_add" in name]
    assert found == pytest.approx([25.5 / 255])
    assert [scale for name, scale in scales.items() if "block_4_add" in name] != found


def test_onnx_takes_a_range(tiny_bundle: Bundle) -> None:
    content = tiny_bundle.artifact_bytes(tiny_bundle.manifest.artifacts["model_float32.onnx"])
    films = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 3), np.uint8)
    made = onnx_format.load_model_from_string(
        ONNXConverter().quantize(content, RECIPES["int8"], films, ranges={"block_2_add": (-5.0, 20.5)})
    )
    stored = {item.name: item for item in made.graph.initializer}
    found = {
        float(numpy_helper.to_array(stored[node.input[1]]))
        for node in made.graph.node
        if node.op_type == "QuantizeLinear" and "block_2_add" in node.input[0]
    }
    assert sorted(found) == pytest.approx([25.5 / 255])
