"""The Python API: what docs/api.md shows, and what it promises."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cxr_edge
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.errors import BundleError, ImageError, RuntimeFailure, UnsafeFileError
from cxr_edge.phantom.radiograph import render
from tests.support import models

ROOT = Path(__file__).resolve().parents[3]


def test_the_examples_of_the_page_give_what_they_show(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    result = doctest.testfile(str(ROOT / "docs" / "api.md"), module_relative=False, optionflags=flags)

    assert result.attempted > 15
    assert result.failed == 0


def test_importing_the_package_loads_neither_numpy_nor_a_runtime() -> None:
    heavy = {"numpy", "PIL", "ai_edge_litert", "tensorflow", "click"}
    code = f"import cxr_edge, sys; print(sorted({heavy} & {{*sys.modules}}))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_every_name_of_the_api_is_there() -> None:
    assert {name for name in cxr_edge.__all__ if not hasattr(cxr_edge, name)} == set()


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = cxr_edge.nothing


def test_the_package_export_can_be_called_and_imported_from() -> None:
    from cxr_edge.export import recipes

    assert callable(cxr_edge.export)
    assert recipes.FORMATS == ("tflite", "onnx")


def test_bench_and_predict_load_no_tensorflow(tmp_path: Path) -> None:
    Image.fromarray(render(7, "covid").pixels).save(tmp_path / "image.png")
    code = (
        "import cxr_edge, sys; cxr_edge.bench, cxr_edge.export\n"
        "with cxr_edge.load() as classifier: print(classifier.predict(sys.argv[1]).label)\n"
        "print(sorted({'tensorflow', 'keras', 'matplotlib'} & {*sys.modules}))"
    )
    told = subprocess.check_output([sys.executable, "-c", code, str(tmp_path / "image.png")], text=True)
    assert told.split("\n")[:2] == ["covid", "[]"]


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(render(7, "covid").pixels)


def test_every_form_of_an_image_gives_the_same_prediction(picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "image.png")
    path = tmp_path / "image.png"
    grey = np.asarray(picture)
    forms: list[cxr_edge.ImageLike] = [
        path,
        str(path),
        path.read_bytes(),
        picture,
        grey,
        np.dstack([grey] * 3),
        grey.astype(np.uint16),
    ]
    with cxr_edge.load() as classifier:
        found = [classifier.predict(form) for form in forms]
        many = classifier.predict(forms)

    assert {prediction.probability for prediction in found + many} == {found[0].probability}


def test_a_pil_image_is_turned_upright(picture: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    with cxr_edge.load() as classifier, Image.open(tmp_path / "turned.png") as turned:
        assert classifier.predict(turned).probability == classifier.predict(picture).probability


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((20, 20), np.float32),
        np.zeros((1, 20, 20, 3), np.uint8),
        np.zeros((20, 20, 4), np.uint8),
        np.zeros((0, 20), np.uint8),
        np.zeros((20, 20, 3), np.uint16),
    ],
    ids=lambda values: f"{values.dtype}-{values.shape}",
)
def test_an_array_of_another_form_is_refused_with_what_to_give(values: Any) -> None:
    with cxr_edge.load() as classifier, pytest.raises(ImageError, match=r"give uint8 or uint16 \(height, width\)"):
        classifier.predict(values)


def test_an_array_that_is_too_large_is_refused() -> None:
    with cxr_edge.load() as classifier, pytest.raises(UnsafeFileError, match="megapixels"):
        classifier.predict(np.zeros((8000, 8000), np.uint8))


def test_a_closed_classifier_says_so(picture: Image.Image) -> None:
    classifier = cxr_edge.load()
    classifier.close()
    classifier.close()
    with pytest.raises(RuntimeFailure, match="load it again"):
        classifier.predict(picture)


def test_load_takes_a_bundle_a_folder_and_an_artifact(brightness_bundle: Bundle) -> None:
    path = brightness_bundle.path
    for model in (brightness_bundle, path, str(path), f"{path}:float32", f"{path}:model_float32.onnx"):
        with cxr_edge.load(model) as classifier:
            wanted = "model_float32.onnx" if str(model).endswith("onnx") else "model_float32.tflite"
            assert classifier.artifact.name == wanted


@pytest.mark.usefixtures("nothing_made_here")
def test_load_puts_a_strangers_model_into_a_sandbox(tmp_path: Path, sandboxes: list[str]) -> None:
    models.write_bundle(tmp_path / "strangers", {"model_float32.tflite": models.tflite()})
    with cxr_edge.load(tmp_path / "strangers") as classifier:
        assert classifier.predict(np.full((300, 300), 51, np.uint8)).probability == pytest.approx(0.2, abs=1e-3)
    assert sandboxes == ["model_float32.tflite"]


def test_a_model_that_is_not_there_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a bundle folder"):
        cxr_edge.load(tmp_path / "none")


def test_explain_draws_the_image_under_its_map(picture: Image.Image) -> None:
    with cxr_edge.load() as classifier:
        plain, beside = classifier.explain(picture), classifier.explain(picture, side_by_side=True)

    assert plain.mode == beside.mode == "RGB"
    assert beside.width > 1.8 * picture.width
