"""Which films are found, which artifact runs, and what the model's outputs become; no model is needed for these."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact, Manifest
from cxr_edge.contract import InputContract, Outputs, Pixels
from cxr_edge.errors import BundleError, DataError, RuntimeFailure
from cxr_edge.imaging import decoder
from cxr_edge.inference.classify import Prediction, choose_artifact, exit_code, predict, predict_all
from cxr_edge.inference.sources import STDIN, find_images
from cxr_edge.runtimes.base import RuntimeInfo

MANIFEST = Manifest(
    name="try",
    architecture="mobilenetv2",
    labels=("covid", "noncovid"),
    positive="covid",
    threshold=0.4,
    contract=InputContract(),
    artifacts={},
    typicality_limit=2.0,
)


class StatedRuntime:
    """A runtime that gives the outputs it was made with, whatever the film."""

    info = RuntimeInfo("stated", "1", 1, "none")

    def __init__(self, covid: float = 0.5, **outputs: Iterable[float]) -> None:
        rows = {"probabilities": (covid, 1 - covid)} | outputs
        self.outputs = {name: np.array([list(row)], np.float32) for name, row in rows.items()}

    def run(self, pixels: Pixels) -> Outputs:
        assert pixels.shape == InputContract().shape
        return self.outputs

    def close(self) -> None:
        pass


class BrokenRuntime(StatedRuntime):
    def run(self, pixels: Pixels) -> Outputs:
        raise RuntimeFailure("model_int8.tflite: LiteRT failed to run it")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.png"
    Image.linear_gradient("L").save(path)
    return path


def ask(film: Path, runtime: StatedRuntime, **manifest: object) -> Prediction:
    return predict(runtime, dataclasses.replace(MANIFEST, **manifest), film)  # type: ignore[arg-type]


def bundle_with(*names: str) -> Bundle:
    artifacts = {
        name: Artifact(name, Path(name).suffix[1:], Path(name).stem.removeprefix("model_"), "0" * 64, 1, ())
        for name in names
    }
    return Bundle(Path("try"), dataclasses.replace(MANIFEST, artifacts=artifacts))


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_find_images_keeps_files_in_the_order_given(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.png")

    assert find_images([tmp_path / "b.png", tmp_path / "a.png"]) == [tmp_path / "b.png", tmp_path / "a.png"]


def test_find_images_takes_a_file_of_any_name(tmp_path: Path) -> None:
    touch(tmp_path, "IM0001")

    assert find_images([tmp_path / "IM0001"]) == [tmp_path / "IM0001"]


def test_find_images_searches_folders_to_any_depth_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "c.PNG", "day/2/a.jpg", "day/b.dcm", "readme.txt")

    found = find_images([tmp_path])

    assert found == [tmp_path / "c.PNG", tmp_path / "day/2/a.jpg", tmp_path / "day/b.dcm"]


def test_find_images_leaves_out_hidden_files_and_folders(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "._a.png", ".Trash-1000/old.png")

    assert find_images([tmp_path]) == [tmp_path / "a.png"]


def test_find_images_gives_a_film_once_when_named_twice(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")

    assert find_images([tmp_path / "b.png", tmp_path]) == [tmp_path / "b.png", tmp_path / "a.png"]


def test_find_images_names_a_missing_path(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png: does not exist"):
        find_images([tmp_path / "gone.png"])


def test_find_images_takes_patterns(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.png", "c.jpg", "day/d.png")

    assert find_images([tmp_path / "*.png"]) == [tmp_path / "a.png", tmp_path / "b.png"]
    assert find_images([tmp_path / "**" / "d.png"]) == [tmp_path / "day/d.png"]


def test_find_images_takes_a_name_with_brackets_for_a_name_first(tmp_path: Path) -> None:
    touch(tmp_path, "film[1].png", "film1.png")

    assert find_images([tmp_path / "film[1].png"]) == [tmp_path / "film[1].png"]


def test_find_images_names_a_pattern_that_matches_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\*\.png: does not exist"):
        find_images([tmp_path / "*.png"])


def test_find_images_keeps_standard_input(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")

    assert find_images([STDIN, tmp_path]) == [STDIN, tmp_path / "a.png"]


def test_find_images_refuses_a_folder_without_images(tmp_path: Path) -> None:
    touch(tmp_path, "readme.txt")

    with pytest.raises(DataError, match="has no image files"):
        find_images([tmp_path])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_find_images_refuses_a_subfolder_that_cannot_be_listed(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "locked/b.png")
    (tmp_path / "locked").chmod(0)
    try:
        with pytest.raises(DataError, match=r"locked: cannot be listed"):
            find_images([tmp_path])
    finally:
        (tmp_path / "locked").chmod(0o700)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("model_float32.tflite", "model_int8.onnx", "model_int8.tflite"), "model_int8.tflite"),
        (("model_float16.tflite", "model_float32.tflite"), "model_float32.tflite"),
        (("model_float32.onnx", "model_dynamic.tflite"), "model_dynamic.tflite"),
        (("model.keras", "model_float32.onnx"), "model_float32.onnx"),
    ],
)
def test_choose_artifact_prefers_int8_then_float32_then_tflite(names: tuple[str, ...], chosen: str) -> None:
    assert choose_artifact(bundle_with(*names)).name == chosen


def test_choose_artifact_says_to_export_when_only_keras_is_there() -> None:
    with pytest.raises(BundleError, match=r"it has model\.keras\); make one with 'cxr-edge export'"):
        choose_artifact(bundle_with("model.keras"))


@pytest.mark.parametrize(("covid", "label"), [(0.41, "covid"), (0.39, "noncovid"), (0.5, "covid")])
def test_predict_labels_by_the_manifest_threshold(film: Path, covid: float, label: str) -> None:
    assert ask(film, StatedRuntime(covid)).label == label


def test_predict_takes_a_probability_at_the_threshold_for_positive(film: Path) -> None:
    assert ask(film, StatedRuntime(0.5), threshold=0.5).label == "covid"


def test_predict_gives_the_probability_of_the_positive_class_wherever_it_stands(film: Path) -> None:
    prediction = ask(film, StatedRuntime(0.75), labels=("noncovid", "covid"))

    assert prediction.probability == prediction.probabilities["covid"] == 0.25


def test_predict_names_the_likeliest_other_class_under_the_threshold(film: Path) -> None:
    runtime = StatedRuntime(probabilities=(0.1, 0.2, 0.7))

    assert ask(film, runtime, labels=("covid", "normal", "pneumonia")).label == "pneumonia"


@pytest.mark.parametrize(("typicality", "untypical"), [(1.9, False), (2.1, True)])
def test_predict_flags_a_film_beyond_the_typicality_limit(film: Path, typicality: float, untypical: bool) -> None:
    assert ask(film, StatedRuntime(typicality=[typicality])).untypical is untypical


def test_predict_leaves_untypical_open_without_a_limit(film: Path) -> None:
    prediction = ask(film, StatedRuntime(typicality=[9.0]), typicality_limit=None)

    assert (prediction.typicality, prediction.untypical) == (9.0, None)


def test_predict_leaves_out_what_the_model_does_not_give(film: Path) -> None:
    prediction = ask(film, StatedRuntime())

    assert (prediction.heatmap, prediction.typicality, prediction.untypical) == (None, None, None)


def test_predict_gives_the_heat_map_by_rows(film: Path) -> None:
    heatmap = ask(film, StatedRuntime(heatmap=np.arange(49) / 49)).heatmap

    assert heatmap is not None
    assert heatmap.shape == (7, 7)
    assert heatmap[1, 0] == np.float32(7 / 49)


def test_predict_times_decoding_and_inference_apart(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock_s = [100.0]

    def take(function: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            clock_s[0] += seconds
            return function(*arguments, **options)

        return timed

    monkeypatch.setattr("time.perf_counter", lambda: clock_s[0])
    monkeypatch.setattr(decoder, "read_with_picture", take(decoder.read_with_picture, 0.5))
    monkeypatch.setattr(StatedRuntime, "run", take(StatedRuntime.run, 0.25))
    prediction = ask(film, StatedRuntime())

    assert (prediction.decode_ms, prediction.inference_ms) == (500.0, 250.0)


def test_predict_hands_on_the_warnings_of_the_decoder(tmp_path: Path) -> None:
    Image.new("L", (300, 300)).save(tmp_path / "black.png")

    assert ask(tmp_path / "black.png", StatedRuntime()).warnings == ("nearly uniform picture",)


def test_predict_gives_the_error_of_an_unreadable_film(tmp_path: Path) -> None:
    touch(tmp_path, "empty.png")

    prediction = ask(tmp_path / "empty.png", StatedRuntime())

    assert prediction.error is not None
    assert "the file is empty" in prediction.error
    assert (prediction.label, prediction.probability, prediction.probabilities) == (None, None, {})


def test_predict_gives_the_error_of_an_unsafe_film(tmp_path: Path) -> None:
    header = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + (30_000).to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
    (tmp_path / "bomb.png").write_bytes(header + b"\xc0\x06\x8f\xdf")

    prediction = ask(tmp_path / "bomb.png", StatedRuntime())

    assert prediction.error is not None
    assert prediction.label is None


def test_predict_gives_the_error_of_a_runtime_that_fails(film: Path) -> None:
    assert ask(film, BrokenRuntime()).error == "model_int8.tflite: LiteRT failed to run it"


def test_predict_refuses_nan_as_an_answer(film: Path) -> None:
    prediction = ask(film, StatedRuntime(float("nan")))

    assert prediction.label is None
    assert "not finite" in str(prediction.error)


def test_predict_refuses_a_model_with_other_labels(film: Path) -> None:
    assert "gives 2 probabilities for 3 labels" in str(ask(film, StatedRuntime(), labels=("covid", "b", "c")).error)


def test_predict_reads_bytes_under_a_name(film: Path) -> None:
    prediction = predict(StatedRuntime(), MANIFEST, Path("-"), film.read_bytes())

    assert (prediction.path, prediction.label) == (Path("-"), "covid")


def test_predict_all_gives_the_films_in_their_order_around_a_bad_one(film: Path, tmp_path: Path) -> None:
    touch(tmp_path, "empty.png")
    films = [film, tmp_path / "empty.png", *[film] * 30]
    predictions = list(predict_all(StatedRuntime(), MANIFEST, films))

    assert [prediction.path for prediction in predictions] == films
    assert [index for index, prediction in enumerate(predictions) if prediction.error] == [1]


def test_predict_all_reads_given_content_in_the_place_of_a_file(film: Path) -> None:
    predictions = predict_all(StatedRuntime(), MANIFEST, [STDIN, film], {STDIN: film.read_bytes()})

    assert [prediction.error for prediction in predictions] == [None, None]


@pytest.mark.parametrize(("failed", "total", "code"), [(0, 3, 0), (1, 3, 1), (3, 3, 1), (0, 0, 1)])
def test_exit_code_is_0_only_when_every_film_was_read(failed: int, total: int, code: int) -> None:
    assert exit_code(failed, total) == code
