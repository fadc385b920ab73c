"""A real export of the shipped classifier: contract, closeness to Keras, explanation, repeatability, refusals."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx as onnx_library
import pytest

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.data.dataset import open_dataset
from cxr_edge.errors import BundleError, ExportError, UsageError
from cxr_edge.export import conversion, pipeline
from cxr_edge.export.calibration_set import choose_films
from cxr_edge.export.convert.litert import LiteRTConverter
from cxr_edge.export.graph.deployment import Deployment, TypicalityArrays
from cxr_edge.export.graph.folding import fold_batch_norm
from cxr_edge.export.recipes import RECIPES
from cxr_edge.models import open_model
from cxr_edge.runtimes.keras import load_model
from cxr_edge.system import files
from cxr_edge.training.network.model import backbone_of, build_classifier
from tests.support.gradcam import grad_cam

TFLITE = ("float32", "float16", "dynamic", "int8", "int16x8")
ONNX = ("float32", "float16", "int8")
NAMES = [f"model_{name}.tflite" for name in TFLITE] + [f"model_{name}.onnx" for name in ONNX]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return choose_films(open_dataset("phantom"), "test", 6, seed=1).pixels


@pytest.fixture(scope="module")
def classifier(tiny_bundle: Bundle) -> keras.Model:
    return load_model(tiny_bundle.artifact_bytes(tiny_bundle.artifact("model.keras")), name="model.keras")


@pytest.fixture(scope="module")
def outputs(tiny_bundle: Bundle, pixels: np.ndarray) -> dict[str, Any]:
    found = {}
    for name in NAMES:
        runtime = open_model(tiny_bundle, tiny_bundle.artifact(name), threads=2)
        found[name] = runtime.run(pixels)
        runtime.close()
    return found


def test_export_writes_every_artifact_of_the_recipes(tiny_bundle: Bundle) -> None:
    assert set(tiny_bundle.manifest.artifacts) == {"model.keras", *NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_outputs_keep_the_contract(outputs: dict[str, Any], name: str) -> None:
    found = outputs[name]
    assert {key: value.shape for key, value in found.items()} == {
        "probabilities": (6, 2),
        "heatmap": (6, 49),
        "typicality": (6, 1),
    }
    assert all(value.dtype == np.float32 for value in found.values())
    assert found["probabilities"].sum(axis=1) == pytest.approx(np.ones(6), abs=1e-3)
    assert found["heatmap"].min() >= 0
    assert found["heatmap"].max() <= 1 + 1e-6


@pytest.mark.parametrize("name", ["model_float32.tflite", "model_float32.onnx"])
def test_float32_gives_keras_probabilities(
    outputs: dict[str, Any], classifier: keras.Model, pixels: np.ndarray, name: str
) -> None:
    expected = np.asarray(classifier(pixels, training=False))
    assert np.abs(outputs[name]["probabilities"] - expected).max() <= 1e-4


@pytest.mark.parametrize("name", ["model_float32.tflite", "model_float32.onnx"])
def test_float32_heat_map_is_grad_cam(
    outputs: dict[str, Any], classifier: keras.Model, pixels: np.ndarray, name: str
) -> None:
    assert np.abs(outputs[name]["heatmap"] - grad_cam(classifier, pixels)).max() <= 1e-4


def test_float32_typicality_is_that_of_training(
    outputs: dict[str, Any], classifier: keras.Model, tiny_bundle: Bundle, pixels: np.ndarray
) -> None:
    import io

    from cxr_edge.training.network.typicality import Typicality

    with np.load(io.BytesIO(tiny_bundle.file_bytes("typicality.npz"))) as stored:
        model = Typicality(stored["mean"], stored["axes"], float(stored["rest"]), float(stored["limit"]))
    pooled = keras.Model(classifier.inputs[0], classifier.get_layer("pooled_features").output)
    expected = model.score(np.asarray(pooled(pixels, training=False)))
    assert outputs["model_float32.tflite"]["typicality"] == pytest.approx(expected, rel=1e-3)


def test_a_typicality_of_another_version_is_refused(brightness_bundle: Bundle) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, mean=np.zeros(4), variances=np.ones(2))
    (brightness_bundle.path / "typicality.npz").write_bytes(buffer.getvalue())
    digest = files.sha256_bytes(buffer.getvalue())
    manifest = dataclasses.replace(brightness_bundle.manifest, files={"typicality.npz": digest})
    with pytest.raises(ExportError, match=r"typicality\.npz: lacks axes, rest; it is of another version"):
        conversion.read_typicality(Bundle(brightness_bundle.path, manifest))


@pytest.mark.parametrize("content", [b"", b"no .npz", b"PK\3\4 no .npz either"])
def test_a_typicality_that_is_no_npz_is_refused_in_one_line(brightness_bundle: Bundle, content: bytes) -> None:
    (brightness_bundle.path / "typicality.npz").write_bytes(content)
    manifest = dataclasses.replace(brightness_bundle.manifest, files={"typicality.npz": files.sha256_bytes(content)})
    with pytest.raises(BundleError, match=r"typicality\.npz: damaged or no \.npz"):
        conversion.read_typicality(Bundle(brightness_bundle.path, manifest))


def test_all_channels_of_a_quantised_convolution_have_one_zero_point(tiny_bundle: Bundle) -> None:
    model = onnx_library.load_model_from_string(tiny_bundle.artifact_bytes(tiny_bundle.artifact("model_int8.onnx")))
    stored = {item.name: onnx_library.numpy_helper.to_array(item) for item in model.graph.initializer}
    points = [
        stored[node.input[2]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and stored.get(node.input[0], np.zeros(0)).ndim == 4
    ]
    # The shipped classifier has channels without weights, which the stock quantiser gives a zero point of their own.
    assert len(points) > 50
    assert all(len(np.unique(item)) == 1 for item in points)


def test_int8_is_a_third_of_float32(tiny_bundle: Bundle) -> None:
    sizes = {name: artifact.size_bytes for name, artifact in tiny_bundle.manifest.artifacts.items()}
    for format in ("tflite", "onnx"):
        assert sizes[f"model_int8.{format}"] < 0.4 * sizes[f"model_float32.{format}"]


def test_onnx_takes_any_batch_and_gives_the_same_rows(tiny_bundle: Bundle, pixels: np.ndarray) -> None:
    runtime = open_model(tiny_bundle, tiny_bundle.artifact("model_int8.onnx"))
    whole = runtime.run(pixels)["probabilities"]
    single = np.concatenate([runtime.run(pixels[row : row + 1])["probabilities"] for row in range(len(pixels))])
    assert np.abs(whole - single).max() <= 1e-5


def test_folding_does_not_change_the_backbone(classifier: keras.Model, pixels: np.ndarray) -> None:
    backbone = backbone_of(classifier)
    inputs = pixels.astype(np.float32) / 127.5 - 1
    folded = fold_batch_norm(backbone)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in folded.layers)
    expected = np.asarray(backbone(inputs, training=False))
    assert np.abs(np.asarray(folded(inputs, training=False)) - expected).max() < 1e-3


def test_folding_keeps_pre_activation_normalisations_of_resnet() -> None:
    backbone = backbone_of(build_classifier("resnet50v2", weights="none"))
    inputs = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    folded = fold_batch_norm(backbone)
    assert np.allclose(np.asarray(folded(inputs)), np.asarray(backbone(inputs, training=False)), atol=1e-4)


def test_the_manifest_says_what_made_the_artifacts(tiny_bundle: Bundle) -> None:
    made_by = tiny_bundle.manifest.provenance["export"]
    assert made_by["films"]["calibration"]["films"] == 100
    assert made_by["films"]["calibration"]["split"] == "train"
    assert "litert-quantizer" in made_by["versions"]
    assert tiny_bundle.manifest.artifacts["model_int8.tflite"].details["recipe"]["granularity"] == "per channel"


def test_an_unchanged_export_is_recognised_without_tensorflow_in_a_second(
    tiny_bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    made_by = tiny_bundle.manifest.provenance["export"]
    options = pipeline.ExportOptions(quantize=("float16", "dynamic", "int8", "int16x8"))
    before = {path.name: path.stat().st_mtime_ns for path in tiny_bundle.path.iterdir()}
    again = pipeline.export(Bundle.read(default_bundle_path()), options, tiny_bundle.path)
    assert again.manifest.provenance["export"] == made_by
    assert {path.name: path.stat().st_mtime_ns for path in tiny_bundle.path.iterdir()} == before
    assert "nothing to do" in capfd.readouterr().err


def test_two_exports_are_the_same_bytes(tiny_bundle: Bundle, tmp_path: Path) -> None:
    options = pipeline.ExportOptions(formats=("tflite", "onnx"), quantize=("int8",))
    again = pipeline.export(Bundle.read(default_bundle_path()), options, tmp_path / "again")
    for name in ("model_float32.tflite", "model_int8.tflite", "model_float32.onnx", "model_int8.onnx"):
        assert again.manifest.artifacts[name].sha256 == tiny_bundle.manifest.artifacts[name].sha256


def test_a_damaged_export_is_made_again(tiny_bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    options = pipeline.ExportOptions(formats=("tflite",))
    source = Bundle.read(default_bundle_path())
    first = pipeline.export(source, options, out)
    target = out / "model_float32.tflite"
    target.write_bytes(target.read_bytes()[:-1] + b"x")
    second = pipeline.export(source, options, out)
    assert second.artifact_bytes(second.artifact("model_float32.tflite"))
    assert (
        second.manifest.artifacts["model_float32.tflite"].sha256
        == first.manifest.artifacts["model_float32.tflite"].sha256
    )


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds 'thesis\.txt', which is no part of a bundle"):
        pipeline.export(Bundle.read(default_bundle_path()), pipeline.ExportOptions(), tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_changed_model_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(default_bundle_path(), copy)
    model = copy / "model.keras"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"model\.keras: sha256 differs"):
        pipeline.export(Bundle.read(copy), pipeline.ExportOptions(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_head_that_is_not_ours_is_refused() -> None:
    inputs = keras.Input((224, 224, 3))
    other = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(inputs)))
    with pytest.raises(ExportError, match="its head is not the toolkit's"):
        Deployment(other, None)


def test_a_graph_that_differs_from_keras_is_refused(tiny_bundle: Bundle, pixels: np.ndarray) -> None:
    content = tiny_bundle.artifact_bytes(tiny_bundle.artifact("model_float32.tflite"))
    reference = np.full((len(pixels), 2), 0.5, np.float32)
    with pytest.raises(ExportError, match=r"differs from the Keras model by .* nothing was written"):
        conversion.check("model_float32.tflite", content, "tflite", RECIPES["float32"], pixels, reference)


def test_a_graph_that_gives_nan_is_refused(classifier: keras.Model, pixels: np.ndarray) -> None:
    deployment = Deployment(classifier, _typicality(mean=np.full(1280, np.nan, np.float32)))
    content = LiteRTConverter().convert_float(deployment)
    reference = np.asarray(classifier(pixels, training=False))
    with pytest.raises(ExportError, match="gives NaN or infinity in 'typicality'"):
        conversion.check("model_float32.tflite", content, "tflite", RECIPES["float32"], pixels, reference)


def test_a_killed_export_leaves_the_old_bundle_whole(tmp_path: Path) -> None:
    import signal
    import subprocess
    import sys

    out = tmp_path / "bundle"
    pipeline.export(Bundle.read(default_bundle_path()), pipeline.ExportOptions(formats=("tflite",)), out)
    before = (out / "manifest.json").read_bytes()
    command = [sys.executable, "-m", "cxr_edge.cli.main", "export", "--quantize", "float16", "--out", str(out)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    deadline = time.monotonic() + 120
    while run.poll() is None and time.monotonic() < deadline:
        if any(path.name.startswith(".cxr-edge-tmp-") for path in tmp_path.iterdir()):
            break
        time.sleep(0.001)
    run.send_signal(signal.SIGKILL)
    run.wait()
    bundle = Bundle.read(out)
    for artifact in bundle.manifest.artifacts.values():
        assert bundle.artifact_bytes(artifact)
    assert before == (out / "manifest.json").read_bytes() or "model_float16.tflite" in bundle.manifest.artifacts


def test_manifest_of_an_export_reads_back_as_it_was(tiny_bundle: Bundle) -> None:
    stored = json.loads((tiny_bundle.path / "manifest.json").read_text())
    # JSON knows no tuples.
    assert json.loads(json.dumps(tiny_bundle.manifest.to_json())) == stored
    assert dataclasses.replace(Bundle.read(tiny_bundle.path).manifest, metrics={}).labels == ("covid", "noncovid")


def _typicality(mean: np.ndarray) -> TypicalityArrays:
    return TypicalityArrays(mean, np.eye(1280, 16, dtype=np.float32), 1.0)
