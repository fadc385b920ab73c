"""The adapters on models of a few operations: the right answers, or a refusal that names the file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.contract import Pixels, check_pixels, name_outputs
from cxr_edge.errors import BundleError, RuntimeFailure
from cxr_edge.models import open_model
from cxr_edge.runtimes.registry import open_content
from tests.support import models

MODELS: dict[str, Callable[..., bytes]] = {"tflite": models.tflite, "onnx": models.onnx}
FORMATS = tuple(MODELS)


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("count", [1, 3])
def test_run_gives_every_output_for_each_film(pixels: Pixels, format: str, count: int) -> None:
    outputs = open_content(MODELS[format](), format).run(pixels[:count])
    wanted = models.expected(pixels[:count])

    assert list(outputs) == list(models.OUTPUTS)
    for name, values in outputs.items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, wanted[name], rtol=1e-5)


@pytest.mark.parametrize("format", FORMATS)
def test_run_gives_a_films_answer_whatever_its_neighbours(pixels: Pixels, format: str) -> None:
    runtime = open_content(MODELS[format](), format)
    together, alone = runtime.run(pixels), runtime.run(pixels[2:])

    np.testing.assert_array_equal(together["heatmap"][2:], alone["heatmap"])


@pytest.mark.parametrize("format", FORMATS)
def test_run_keeps_earlier_answers_as_they_were(pixels: Pixels, format: str) -> None:
    runtime = open_content(MODELS[format](), format)
    first = runtime.run(pixels[:1])["probabilities"]
    before = first.copy()
    runtime.run(pixels[1:])

    np.testing.assert_array_equal(first, before)


@pytest.mark.parametrize("format", FORMATS)
def test_run_takes_pixels_that_do_not_lie_in_a_row(pixels: Pixels, format: str) -> None:
    mirrored = pixels[:, :, ::-1]
    outputs = open_content(MODELS[format](), format).run(mirrored)

    np.testing.assert_allclose(outputs["heatmap"], models.expected(mirrored)["heatmap"], rtol=1e-5)


@pytest.mark.parametrize("format", FORMATS)
def test_outputs_come_in_the_contracts_order_whatever_the_files(pixels: Pixels, format: str) -> None:
    outputs = open_content(MODELS[format](outputs=tuple(reversed(models.OUTPUTS))), format).run(pixels)

    assert list(outputs) == list(models.OUTPUTS)
    np.testing.assert_allclose(outputs["typicality"], models.expected(pixels)["typicality"], rtol=1e-5)


@pytest.mark.parametrize("format", FORMATS)
def test_a_model_may_have_probabilities_alone(pixels: Pixels, format: str) -> None:
    assert list(open_content(MODELS[format](outputs=("probabilities",)), format).run(pixels)) == ["probabilities"]


def test_outputs_that_a_converter_renamed_are_told_by_their_width(pixels: Pixels) -> None:
    renamed = {name: f"StatefulPartitionedCall:{number}" for number, name in enumerate(models.OUTPUTS)}
    outputs = open_content(models.tflite(names=renamed), "tflite").run(pixels)

    np.testing.assert_allclose(outputs["probabilities"], models.expected(pixels)["probabilities"], rtol=1e-5)


@pytest.mark.parametrize("format", FORMATS)
def test_open_refuses_a_model_without_probabilities(format: str) -> None:
    content = MODELS[format](outputs=("heatmap", "typicality"))

    with pytest.raises(RuntimeFailure, match=rf"^m\.{format}: has no output 'probabilities'"):
        open_content(content, format, name=f"m.{format}")


@pytest.mark.parametrize(
    ("format", "shape"), [("tflite", (1, 128, 128, 3)), ("tflite", (2, 224, 224, 3)), ("onnx", ("n", 128, 128, 3))]
)
def test_open_refuses_another_input_shape(format: str, shape: tuple[int | str, ...]) -> None:
    with pytest.raises(RuntimeFailure, match="the input contract is"):
        open_content(MODELS[format](shape=shape), format)


@pytest.mark.parametrize("format", FORMATS)
def test_open_refuses_another_input_dtype(format: str) -> None:
    with pytest.raises(RuntimeFailure, match="the input contract is"):
        open_content(MODELS[format](dtype="float32"), format)


def test_open_refuses_another_input_name() -> None:
    with pytest.raises(RuntimeFailure, match=r"takes \[\('input'.* the input contract is image"):
        open_content(models.onnx(name="input"), "onnx")


@pytest.mark.parametrize(("format", "dtype"), [("tflite", "uint8"), ("onnx", "uint8"), ("onnx", "float64")])
def test_open_refuses_outputs_that_are_no_float32(format: str, dtype: str) -> None:
    with pytest.raises(RuntimeFailure, match=r"output 'probabilities' .* is not in the output contract"):
        open_content(MODELS[format](output_dtype=dtype), format)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("content", [b"", b"hello", b"\x1c\0\0\0TFL3" + b"hello " * 50, bytes(1000)])
def test_open_refuses_garbage_in_one_line(format: str, content: bytes) -> None:
    with pytest.raises(RuntimeFailure, match=rf"^m\.{format}: ") as caught:
        open_content(content, format, name=f"m.{format}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format", FORMATS)
def test_open_refuses_a_model_that_is_cut_short(format: str) -> None:
    content = MODELS[format]()

    for length in (8, len(content) // 2, len(content) - 1):
        with pytest.raises(RuntimeFailure, match="cannot load it"):
            open_content(content[:length], format)


def test_open_says_what_a_text_file_lacks() -> None:
    with pytest.raises(RuntimeFailure, match=r"notes\.tflite: is no TFLite model \(it lacks the TFL3 mark\)"):
        open_content(b"these are notes, not a model", "tflite", name="notes.tflite")


def test_open_names_the_formats_there_are() -> None:
    with pytest.raises(RuntimeFailure, match=r"m\.pb: no runtime reads the format 'pb'; known are tflite, onnx, keras"):
        open_content(b"", "pb", name="m.pb")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 224, 224, 3), np.float32),
        np.zeros((1, 224, 224, 3), np.int8),
        np.zeros((224, 224, 3), np.uint8),
        np.zeros((1, 224, 224, 1), np.uint8),
        np.zeros((1, 3, 224, 224), np.uint8),
        np.zeros((1, 256, 256, 3), np.uint8),
        np.zeros((0, 224, 224, 3), np.uint8),
    ],
    ids=lambda pixels: f"{pixels.dtype}-{pixels.shape}",
)
def test_run_refuses_pixels_outside_the_contract(format: str, wrong: Pixels) -> None:
    with pytest.raises(RuntimeFailure, match=r"m: was given .*; it takes uint8"):
        open_content(MODELS[format](), format, name="m").run(wrong)


def test_run_names_the_file_where_the_library_fails(pixels: Pixels) -> None:
    fixed_batch = open_content(models.onnx(shape=(1, 224, 224, 3)), "onnx", name="m.onnx")

    with pytest.raises(RuntimeFailure, match=r"^m\.onnx: ONNX Runtime failed to run it \(.*\)$"):
        fixed_batch.run(pixels)


def test_check_pixels_takes_a_batch_of_films(pixels: Pixels) -> None:
    check_pixels(pixels, "m")


@pytest.mark.parametrize(
    "found",
    [
        {"probabilities": ("float32", (2,))},
        {"probabilities": ("float32", (1, 1))},
        {"probabilities": ("float32", (1, 2)), "heatmap": ("float32", (1, 7, 7))},
        {"probabilities": ("float32", (1, 2)), "heatmap": ("float32", (1, 16))},
        {"probabilities": ("float32", (1, 2)), "typicality": ("float32", (1, 2))},
        {"probabilities": ("float32", (1, 2)), "logits": ("float32", (1, 2))},
        {"probabilities": ("float32", (1, 2)), "features": ("float32", (1, 7, 7, 1280))},
    ],
)
def test_name_outputs_refuses_what_is_not_in_the_contract(found: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    with pytest.raises(RuntimeFailure, match=r"^m: output '.*' float32 .* is not in the output contract"):
        name_outputs(found, "m")


def test_name_outputs_takes_the_names_where_the_widths_are_open() -> None:
    found = dict.fromkeys(models.OUTPUTS, ("float32", ("n", None)))

    assert name_outputs(found, "m") == {name: name for name in models.OUTPUTS}


@pytest.mark.parametrize(("format", "library"), [("tflite", "ai-edge-litert"), ("onnx", "onnxruntime")])
def test_info_names_library_version_and_threads(format: str, library: str) -> None:
    info = open_content(MODELS[format](), format, threads=2).info

    assert (info.library, info.threads) == (library, 2)
    assert info.version[0].isdigit()


@pytest.mark.parametrize("format", FORMATS)
def test_close_may_be_called_twice(format: str) -> None:
    runtime = open_content(MODELS[format](), format)
    runtime.close()
    runtime.close()


def test_open_model_proves_the_hash_before_the_library_sees_a_byte(brightness_bundle: Bundle) -> None:
    artifact = brightness_bundle.artifact("model_float32.tflite")
    path = brightness_bundle.path / artifact.name
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    with pytest.raises(BundleError, match=r"model_float32\.tflite: sha256 differs"):
        open_model(brightness_bundle, artifact)


def test_litert_writes_nothing_to_stderr(capfd: pytest.CaptureFixture[str], pixels: Pixels) -> None:
    open_content(models.tflite(), "tflite").run(pixels)

    assert capfd.readouterr() == ("", "")


def test_onnxruntime_is_imported_with_its_telemetry_off() -> None:
    code = "from cxr_edge.runtimes.onnx import import_onnxruntime; import os; import_onnxruntime()"
    code += "; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout == "1\n"
