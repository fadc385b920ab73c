"""Classification with a real model, on simulated films everywhere and on the real ones where they are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.errors import BundleError
from cxr_edge.imaging import decoder
from cxr_edge.inference.classify import choose_artifact, classify
from cxr_edge.inference.explain import write
from cxr_edge.inference.rows import to_json
from cxr_edge.inference.sources import find_images
from cxr_edge.models import open_model
from cxr_edge.phantom.radiograph import render
from cxr_edge.system import files

CORE_ONLY = """
import sys
from pathlib import Path
from cxr_edge.inference import classify, rows
from cxr_edge.bundles.bundle import Bundle

bundle = Bundle.read(Path(sys.argv[1]))
print(*rows.format_json(classify.classify(bundle, classify.choose_artifact(bundle), [Path(sys.argv[2])])))
print(sorted({"tensorflow", "keras", "onnx", "onnxruntime", "pydicom", "matplotlib", "scipy"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two simulated films with an empty file between them."""
    folder = tmp_path_factory.mktemp("films")
    for seed, name in ((1, "a.png"), (2, "c.png")):
        Image.fromarray(render(seed, "covid").pixels).save(folder / name)
    (folder / "b.png").touch()
    return folder


def test_classify_answers_for_every_film_around_a_bad_one(tiny_bundle: Bundle, films: Path) -> None:
    predictions = list(classify(tiny_bundle, choose_artifact(tiny_bundle), find_images([films])))

    assert [(prediction.path.name, prediction.error is None) for prediction in predictions] == [
        ("a.png", True),
        ("b.png", False),
        ("c.png", True),
    ]


def test_classify_gives_what_the_artifact_gives(tiny_bundle: Bundle, films: Path) -> None:
    artifact = choose_artifact(tiny_bundle)
    (prediction,) = classify(tiny_bundle, artifact, [films / "a.png"])
    outputs = open_model(tiny_bundle, artifact).run(decoder.read(films / "a.png").pixels[np.newaxis])

    assert list(prediction.probabilities) == list(tiny_bundle.manifest.labels)
    assert list(prediction.probabilities.values()) == outputs["probabilities"][0].tolist()
    assert prediction.probability == prediction.probabilities[tiny_bundle.manifest.positive]
    assert prediction.heatmap is not None
    assert prediction.heatmap.tolist() == outputs["heatmap"].reshape(7, 7).tolist()


def test_classify_gives_the_same_answer_whatever_came_before(tiny_bundle: Bundle, films: Path) -> None:
    artifact = choose_artifact(tiny_bundle)
    first, second, again = classify(tiny_bundle, artifact, [films / name for name in ("a.png", "c.png", "a.png")])

    assert first.probabilities == again.probabilities
    assert np.array_equal(first.heatmap, again.heatmap)  # type: ignore[arg-type]
    assert first.probabilities != second.probabilities


def test_classify_refuses_a_changed_artifact_before_the_first_film(tiny_bundle: Bundle, tmp_path: Path) -> None:
    artifact = choose_artifact(tiny_bundle)
    content = bytearray((tiny_bundle.path / artifact.name).read_bytes())
    content[-1] ^= 1
    files.write_bytes(tmp_path / artifact.name, bytes(content))

    with pytest.raises(BundleError, match="sha256 differs"):
        classify(Bundle(tmp_path, tiny_bundle.manifest), artifact, [])


def test_overlay_of_a_real_heat_map_is_written(tiny_bundle: Bundle, films: Path, tmp_path: Path) -> None:
    (prediction,) = classify(tiny_bundle, choose_artifact(tiny_bundle), [films / "a.png"], keep_pictures=True)
    write(prediction, tmp_path / "map.png", side_by_side=True)

    with Image.open(tmp_path / "map.png") as picture, Image.open(films / "a.png") as film:
        assert picture.width >= 2 * film.width


def test_classify_needs_nothing_but_the_core(tiny_bundle: Bundle, films: Path) -> None:
    command = [sys.executable, "-c", CORE_ONLY, str(tiny_bundle.path), str(films / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_classify_reads_every_odd_input_or_says_why_not(tiny_bundle: Bundle, real_data: Path) -> None:
    pytest.importorskip("pydicom", reason="the extra 'dicom' is not installed")
    predictions = list(classify(tiny_bundle, choose_artifact(tiny_bundle), find_images([real_data / "odd"])))

    refused = {prediction.path.name for prediction in predictions if prediction.error is not None}
    assert refused == {"ct16_jpegll.dcm", "d_truncated.jpg", "d_zero_bytes.png"}


def test_no_patient_tag_of_a_dicom_reaches_a_result(tiny_bundle: Bundle, real_data: Path, tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom", reason="the extra 'dicom' is not installed")
    tagged = pydicom.dcmread(real_data / "odd" / "d_dx12_mono2.dcm")
    tagged.PatientName, tagged.PatientID, tagged.PatientBirthDate = "DOE^JANE", "ID-4711", "19700101"
    tagged.save_as(tmp_path / "film.dcm")
    shutil.copy(tmp_path / "film.dcm", tmp_path / "cut.dcm")
    with (tmp_path / "cut.dcm").open("r+b") as handle:
        handle.truncate(20_000)
    films = [tmp_path / "film.dcm", tmp_path / "cut.dcm"]
    good, cut = classify(tiny_bundle, choose_artifact(tiny_bundle), films, keep_pictures=True)
    write(good, tmp_path / "map.png")

    assert cut.error is not None
    written = (to_json(good) + to_json(cut)).encode() + (tmp_path / "map.png").read_bytes()
    assert not [secret for secret in (b"DOE", b"JANE", b"4711", b"19700101") if secret in written]
