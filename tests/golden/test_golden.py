"""Golden vectors of a real export: made alike twice, small, met by every artifact, and missed by a damaged one."""

from __future__ import annotations

import dataclasses
import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cxr_edge.bundles import golden as vectors
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.errors import ExportError
from cxr_edge.export import golden
from cxr_edge.inference.verify import verify
from cxr_edge.system.files import sha256_bytes


def read_all(bundle: Bundle) -> dict[str, tuple[Artifact, bytes]]:
    return {name: (artifact, bundle.artifact_bytes(artifact)) for name, artifact in bundle.manifest.artifacts.items()}


@pytest.fixture(scope="module")
def content(tiny_bundle: Bundle) -> bytes:
    return tiny_bundle.file_bytes(vectors.VECTORS_NAME)


@pytest.fixture
def bundle(tiny_bundle: Bundle, tmp_path: Path) -> Bundle:
    """The exported bundle with its vectors, the test's own to change."""
    return Bundle.read(Path(shutil.copytree(tiny_bundle.path, tmp_path / "bundle")))


def test_two_makes_give_the_same_bytes(tiny_bundle: Bundle) -> None:
    names = ("model_float32.tflite", "model_int8.tflite", "model_int8.onnx")
    chosen = {name: item for name, item in read_all(tiny_bundle).items() if name in names}
    films = golden.choose_films()[:2]

    assert golden.make(chosen, films) == golden.make(chosen, films)


def test_no_time_is_stored(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_vectors_take_less_than_a_tenth_of_the_smallest_artifact(tiny_bundle: Bundle, content: bytes) -> None:
    assert len(content) < min(artifact.size_bytes for artifact in tiny_bundle.manifest.artifacts.values()) / 10


@pytest.mark.parametrize("threads", [1, 2])
def test_every_artifact_meets_its_vectors(bundle: Bundle, threads: int) -> None:
    report = verify(bundle, threads=threads)

    assert report.passed
    assert report.warnings == ()
    # Keras is the reference itself and has no vectors.
    compared = {check.name for check in report.artifacts if check.outputs}
    assert compared == set(bundle.manifest.artifacts) - {"model.keras"}


def test_integer_artifacts_answer_the_same_on_any_number_of_threads(bundle: Bundle) -> None:
    chosen = {name: item for name, item in bundle.manifest.artifacts.items() if item.quantization == "int8"}
    report = verify(Bundle(bundle.path, dataclasses.replace(bundle.manifest, artifacts=chosen)), threads=2)

    assert {check.name for check in report.artifacts} == {"model_int8.tflite", "model_int8.onnx"}
    assert max(output.difference for check in report.artifacts for output in check.outputs) <= 1e-6


@pytest.mark.parametrize("name", ["model_int8.tflite", "model_float32.tflite"])
def test_damaged_weights_miss_the_vectors_even_where_every_hash_was_renewed(bundle: Bundle, name: str) -> None:
    damaged = bytearray(bundle.artifact_bytes(bundle.artifact(name)))
    start = len(damaged) // 2
    damaged[start : start + 4000] = np.random.default_rng(0).integers(0, 60, 4000, dtype=np.uint8).tobytes()
    (bundle.path / name).write_bytes(damaged)
    stored = vectors.GoldenVectors.from_bytes(bundle.file_bytes(vectors.VECTORS_NAME), where="golden.npz")
    digest = sha256_bytes(bytes(damaged))
    renewed = {**stored.artifacts, name: dataclasses.replace(stored.artifacts[name], sha256=digest)}
    content = dataclasses.replace(stored, artifacts=renewed).to_bytes()
    (bundle.path / vectors.VECTORS_NAME).write_bytes(content)
    artifact = dataclasses.replace(bundle.artifact(name), sha256=digest)
    manifest = dataclasses.replace(
        bundle.manifest,
        artifacts={**bundle.manifest.artifacts, name: artifact},
        files={**bundle.manifest.files, vectors.VECTORS_NAME: sha256_bytes(content)},
    )
    report = verify(Bundle(bundle.path, manifest))

    assert all(file.problem is None for file in report.files)
    assert [check.name for check in report.artifacts if not check.passed] == [name]


def test_a_recipe_without_a_tolerance_is_refused(tiny_bundle: Bundle) -> None:
    artifact = tiny_bundle.artifact("model_int8.tflite")
    unknown = dataclasses.replace(artifact, quantization="int4")

    with pytest.raises(ExportError, match=r"model_int8\.tflite: no tolerance is stated for the recipe 'int4'"):
        golden.make({artifact.name: (unknown, tiny_bundle.artifact_bytes(artifact))}, golden.choose_films())
