"""A bundle is checked as it lies: what was changed is named, and answers are compared with the golden ones."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.golden import VECTORS_NAME, GoldenVectors
from cxr_edge.cli.main import main
from cxr_edge.errors import BundleError
from cxr_edge.export import golden
from cxr_edge.inference.verify import ArtifactCheck, format_report, verify
from cxr_edge.models import open_model
from cxr_edge.system.files import sha256_bytes
from tests.support import models

TFLITE, ONNX = "model_float32.tflite", "model_float32.onnx"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of hand-made models with golden vectors; read-only."""
    folder = tmp_path_factory.mktemp("verify") / "bundle"
    bundle = models.write_bundle(folder, {TFLITE: models.tflite(), ONNX: models.onnx()})
    artifacts = {item.name: (item, bundle.artifact_bytes(item)) for item in bundle.manifest.artifacts.values()}
    return put_vectors(bundle, golden.make(artifacts, golden.choose_films()))


@pytest.fixture
def bundle(whole: Bundle, tmp_path: Path) -> Bundle:
    """A copy of it, the test's own to change."""
    return Bundle.read(Path(shutil.copytree(whole.path, tmp_path / "bundle")))


def put_vectors(bundle: Bundle, content: bytes) -> Bundle:
    (bundle.path / VECTORS_NAME).write_bytes(content)
    hashes = dict(bundle.manifest.files) | {VECTORS_NAME: sha256_bytes(content)}
    changed = Bundle(bundle.path, dataclasses.replace(bundle.manifest, files=hashes))
    changed.write_manifest()
    return changed


def read_vectors(bundle: Bundle) -> GoldenVectors:
    return GoldenVectors.from_bytes(bundle.file_bytes(VECTORS_NAME), where=VECTORS_NAME)


def put_answers(bundle: Bundle, change: Callable[[str, np.ndarray], np.ndarray]) -> Bundle:
    """Write the bundle with other golden answers for the .tflite, `change` of each output's."""
    vectors = read_vectors(bundle)
    item = vectors.artifacts[TFLITE]
    outputs = {name: change(name, values).astype(np.float32) for name, values in item.outputs.items()}
    artifacts = {**vectors.artifacts, TFLITE: dataclasses.replace(item, outputs=outputs)}
    return put_vectors(bundle, dataclasses.replace(vectors, artifacts=artifacts).to_bytes())


def find(bundle: Bundle, name: str) -> ArtifactCheck:
    return next(check for check in verify(bundle).artifacts if check.name == name)


def problems(bundle: Bundle) -> dict[str, str]:
    return {file.name: file.problem for file in verify(bundle).files if file.problem is not None}


def test_a_whole_bundle_passes_without_a_warning(whole: Bundle) -> None:
    report = verify(whole)

    assert report.passed
    assert report.warnings == ()
    assert [file.name for file in report.files] == [TFLITE, ONNX, VECTORS_NAME]


@pytest.mark.parametrize("name", [TFLITE, ONNX])
@pytest.mark.parametrize("threads", [1, 2])
def test_every_output_is_compared(whole: Bundle, name: str, threads: int) -> None:
    check = next(check for check in verify(whole, threads=threads).artifacts if check.name == name)

    assert [output.name for output in check.outputs] == list(models.OUTPUTS)
    assert all(output.difference <= 1e-6 for output in check.outputs)
    assert check.tolerance == 1e-4
    assert check.runtime is not None
    assert check.runtime.threads == threads


@pytest.mark.parametrize("name", [TFLITE, ONNX, VECTORS_NAME])
@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_changed_byte_fails_by_name(bundle: Bundle, name: str, place: int) -> None:
    path = bundle.path / name
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)

    assert not verify(bundle).passed
    assert list(problems(bundle)) == [name]
    assert "sha256 differs" in problems(bundle)[name]


def test_a_changed_artifact_is_not_run(bundle: Bundle) -> None:
    (bundle.path / TFLITE).write_bytes(b"\x1c\0\0\0TFL3")

    check = find(bundle, TFLITE)
    assert check.runtime is None
    assert check.not_run == "its file is not the one that the manifest lists"


def test_a_missing_file_fails_by_name(bundle: Bundle) -> None:
    (bundle.path / ONNX).unlink()

    assert "does not exist" in problems(bundle)[ONNX]


def test_a_size_that_the_manifest_has_wrong_fails(bundle: Bundle) -> None:
    artifact = dataclasses.replace(bundle.artifact(TFLITE), size_bytes=1)
    artifacts = {**bundle.manifest.artifacts, TFLITE: artifact}
    changed = Bundle(bundle.path, dataclasses.replace(bundle.manifest, artifacts=artifacts))

    assert f"{TFLITE}: has " in problems(changed)[TFLITE]


def test_a_file_that_the_manifest_does_not_list_is_a_warning(bundle: Bundle) -> None:
    (bundle.path / "notes.txt").write_text("mine")
    report = verify(bundle)

    assert report.passed
    assert report.warnings == ("notes.txt: lies in the folder, but manifest.json does not list it",)


@pytest.mark.parametrize(
    ("output", "shift", "passed"),
    [
        ("probabilities", 0.9e-4, True),
        ("probabilities", 1.1e-4, False),
        ("heatmap", 0.9e-3, True),
        ("heatmap", 1.1e-3, False),
    ],
)
def test_answers_pass_within_the_tolerance_alone(bundle: Bundle, output: str, shift: float, passed: bool) -> None:
    changed = put_answers(bundle, lambda name, values: values + shift * (name == output))

    assert verify(changed).passed is passed
    check = next(item for item in find(changed, TFLITE).outputs if item.name == output)
    assert check.difference == pytest.approx(shift, rel=0.01)


@pytest.mark.parametrize(("factor", "passed"), [(1 + 0.9e-4, True), (1 + 1.1e-4, False)])
def test_typicality_is_compared_relative_to_its_size(bundle: Bundle, factor: float, passed: bool) -> None:
    changed = put_answers(bundle, lambda name, values: values * (factor if name == "typicality" else 1))

    assert verify(changed).passed is passed


def test_one_film_out_of_tolerance_fails(bundle: Bundle) -> None:
    def change(name: str, values: np.ndarray) -> np.ndarray:
        shifted = values.copy()
        shifted[5] += 0.1 * (name == "probabilities")
        return shifted

    assert not verify(put_answers(bundle, change)).passed


def test_an_artifact_put_in_place_of_another_fails(bundle: Bundle) -> None:
    # Its hash in the manifest is right, so only the vectors can tell.
    content = models.tflite(names={"heatmap": "map:49"})
    (bundle.path / TFLITE).write_bytes(content)
    artifact = dataclasses.replace(
        bundle.artifact(TFLITE), sha256=sha256_bytes(content), size_bytes=len(content), outputs=models.OUTPUTS
    )
    artifacts = {**bundle.manifest.artifacts, TFLITE: artifact}
    changed = Bundle(bundle.path, dataclasses.replace(bundle.manifest, artifacts=artifacts))

    assert find(changed, TFLITE).problem == "the vectors in golden.npz are of another file"


def test_outputs_other_than_the_manifests_fail(tmp_path: Path) -> None:
    bundle = models.write_bundle(tmp_path / "fewer", {TFLITE: models.tflite(outputs=("probabilities",))})

    problem = find(bundle, TFLITE).problem
    assert problem == "gives probabilities where manifest.json says probabilities, heatmap, typicality"


def test_a_number_of_probabilities_other_than_the_labels_fails(bundle: Bundle) -> None:
    manifest = dataclasses.replace(bundle.manifest, labels=("covid", "noncovid", "other"))

    problem = find(Bundle(bundle.path, manifest), TFLITE).problem
    assert problem == "gives 'probabilities' of shape (8, 2), the contract has (8, 3)"


def test_a_file_that_no_runtime_opens_fails(tmp_path: Path) -> None:
    bundle = models.write_bundle(tmp_path / "notes", {TFLITE: b"no model at all"})

    assert "it lacks the TFL3 mark" in (find(bundle, TFLITE).problem or "")


def test_a_missing_runtime_is_told_and_no_failure(whole: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    report = verify(whole)

    assert report.passed
    assert report.artifacts[0].not_run is None
    assert report.artifacts[1].not_run == (
        "running .onnx files needs the extra 'onnx'; type: pip install 'cxr-edge[onnx]'"
    )


def test_a_report_says_when_nothing_could_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    bundle = models.write_bundle(tmp_path / "onnx", {ONNX: models.onnx()})

    assert "no artifact could be run here; only the files were checked" in verify(bundle).warnings


def test_a_bundle_without_vectors_is_opened_and_told(brightness_bundle: Bundle) -> None:
    report = verify(brightness_bundle)

    assert report.passed
    assert all(check.runtime is not None and not check.outputs for check in report.artifacts)
    assert report.warnings == ("has no golden.npz, so no answers were compared; export it with this version",)


def test_a_keras_model_without_vectors_is_not_loaded(tmp_path: Path) -> None:
    bundle = models.write_bundle(tmp_path / "trained", {"model.keras": b"anything", TFLITE: models.tflite()})

    assert find(bundle, "model.keras").not_run == "has no golden vectors; its hash was checked"


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"\x93NUMPY", b"x" * 1000])
def test_vectors_that_are_none_fail_by_name(bundle: Bundle, content: bytes) -> None:
    changed = put_vectors(bundle, content)

    assert not verify(changed).passed
    assert problems(changed)[VECTORS_NAME].startswith("golden.npz: holds no golden vectors (")


def test_vectors_that_would_fill_the_memory_are_refused(bundle: Bundle) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.npy", bytes(65 * 2**20))

    with pytest.raises(BundleError, match="65 MiB when unpacked, more than 64"):
        GoldenVectors.from_bytes(buffer.getvalue(), where=VECTORS_NAME)


@pytest.mark.parametrize("place", range(7))
def test_a_damaged_vector_file_ends_in_one_error(bundle: Bundle, place: int) -> None:
    content = bytearray(bundle.file_bytes(VECTORS_NAME))
    start = len(content) * place // 7
    content[start : start + 40] = b"\xff" * 40

    with pytest.raises(BundleError, match=r"^golden\.npz: holds no golden vectors"):
        GoldenVectors.from_bytes(bytes(content), where=VECTORS_NAME)


@pytest.mark.parametrize("drop", ["rows", f"{TFLITE}/probabilities"])
def test_vectors_that_lack_a_part_are_refused(bundle: Bundle, drop: str) -> None:
    with np.load(io.BytesIO(bundle.file_bytes(VECTORS_NAME))) as stored:
        arrays = {name: stored[name] for name in stored.files if name != drop}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)

    with pytest.raises(BundleError, match="holds no golden vectors"):
        GoldenVectors.from_bytes(buffer.getvalue(), where=VECTORS_NAME)


def test_pixels_that_are_not_the_films_are_refused(bundle: Bundle) -> None:
    vectors = read_vectors(bundle)
    pixels = vectors.pixels.copy()
    pixels[3, 10, 10] ^= 1
    content = dataclasses.replace(vectors, pixels=pixels).to_bytes()

    with pytest.raises(BundleError, match="the pixels of phantom_test_00003 differ from their sha256"):
        GoldenVectors.from_bytes(content, where=VECTORS_NAME)


def test_vectors_come_back_as_they_were_written(whole: Bundle) -> None:
    vectors = read_vectors(whole)
    runtime = open_model(whole, whole.artifact(TFLITE))
    outputs = runtime.run(vectors.pixels)

    for name, values in vectors.artifacts[TFLITE].outputs.items():
        np.testing.assert_array_equal(values, outputs[name])
    for film, spec in zip(vectors.films, golden.choose_films(), strict=True):
        assert (film.film_id, film.seed, film.kind) == (spec.film_id, spec.seed, spec.kind)


def test_report_for_people_says_what_failed_and_the_verdict(bundle: Bundle) -> None:
    lines = format_report(verify(put_answers(bundle, lambda _, values: values + 0.5))).splitlines()

    assert lines[0] == "3 of 3 files are as the manifest has them"
    assert lines[1].startswith("ok      model_float32.onnx: differs at most by probabilities ")
    assert lines[2].startswith(
        "FAILED  model_float32.tflite: differs at most by probabilities 5.0e-01, heatmap 5.0e-01"
    )
    assert "made with ai-edge-litert" in lines[2]
    assert lines[-1].startswith(f"{bundle.path}: FAILED, 2 of 2 artifacts run on ")


def test_report_escapes_what_a_file_name_may_hold(bundle: Bundle) -> None:
    (bundle.path / "a\x1b[2Jb").touch()

    assert "\x1b" not in format_report(verify(bundle))


def test_command_ends_with_0_for_a_whole_bundle(whole: Bundle) -> None:
    result = CliRunner().invoke(main, ["verify", str(whole.path)])

    assert result.exit_code == 0
    assert ": passed, 2 of 2 artifacts run on " in result.stdout


def test_command_ends_with_1_and_still_prints_json_for_a_changed_bundle(bundle: Bundle) -> None:
    (bundle.path / ONNX).write_bytes(b"")
    result = CliRunner().invoke(main, ["verify", str(bundle.path), "--json", "--threads", "2"])
    value = json.loads(result.stdout)

    assert result.exit_code == 1
    assert value["passed"] is False
    assert [item["passed"] for item in value["artifacts"]] == [True, True]
    tflite = value["artifacts"][1]
    assert tflite["outputs"][0]["passed"] is True
    assert tflite["runtime"]["threads"] == 2


def test_verify_loads_neither_tensorflow_nor_the_exporter(whole: Bundle) -> None:
    code = (
        "import sys; from pathlib import Path; from cxr_edge.bundles.bundle import Bundle;"
        "from cxr_edge.inference import verify;"
        f"print(verify.verify(Bundle.read(Path({str(whole.path)!r}))).passed, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    passed, *loaded = done.stdout.split()

    assert passed == "True"
    assert not {"tensorflow", "keras", "scipy", "cxr_edge.export"} & set(loaded)
