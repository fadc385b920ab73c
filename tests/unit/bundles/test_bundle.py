"""A bundle is read whole and right, or refused with the name of the file and the field at fault."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import MANIFEST_NAME, Artifact, Manifest
from cxr_edge.contract import InputContract
from cxr_edge.errors import BundleError, OutputError, UnsafeFileError
from cxr_edge.system import files
from cxr_edge.system.about import RESEARCH_ONLY
from tests.support import models

CONTENT = b"not a model, but bytes all the same"
DIGEST = files.sha256_bytes(CONTENT)
NAMES = ("model.keras", "model_float32.tflite", "model_float32.onnx", "model_int8.onnx")


def artifact(name: str) -> Artifact:
    path = Path(name)
    quantization = path.stem.removeprefix("model_")
    return Artifact(name, path.suffix[1:], quantization, DIGEST, len(CONTENT), models.OUTPUTS, {"recipe": {"bits": 8}})


MANIFEST = Manifest(
    name="try",
    architecture="mobilenetv2",
    labels=("covid", "noncovid"),
    positive="noncovid",
    threshold=0.25,
    contract=InputContract(),
    artifacts={name: artifact(name) for name in NAMES},
    typicality_limit=3.5,
    files={"typicality.npz": DIGEST},
    metrics={"test": {"auc": 0.97}},
    provenance={"seed": 7},
)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    for name in (*NAMES, *MANIFEST.files):
        (tmp_path / name).write_bytes(CONTENT)
    Bundle(tmp_path, MANIFEST).write_manifest()
    return Bundle.read(tmp_path)


def drop(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda value: value.pop(key)


def put(key: str, item: Any) -> Callable[[dict[str, Any]], object]:
    return lambda value: value.update({key: item})


def put_in_artifact(key: str, item: Any) -> Callable[[dict[str, Any]], object]:
    return lambda value: value["artifacts"]["model.keras"].update({key: item})


def rename_artifact(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda value: value["artifacts"].update({name: value["artifacts"].pop("model.keras")})


def test_read_gives_back_what_write_manifest_wrote(bundle: Bundle) -> None:
    assert bundle.manifest == MANIFEST


def test_read_gives_back_a_manifest_without_a_typicality_limit(tmp_path: Path) -> None:
    manifest = dataclasses.replace(MANIFEST, typicality_limit=None)
    Bundle(tmp_path, manifest).write_manifest()

    assert Bundle.read(tmp_path).manifest == manifest


def test_manifest_says_that_it_is_for_research_only(bundle: Bundle) -> None:
    assert json.loads((bundle.path / MANIFEST_NAME).read_text())["research_only"] == RESEARCH_ONLY


def test_manifest_knows_the_column_of_the_positive_class() -> None:
    assert MANIFEST.positive_index == 1


def test_contract_states_the_shape_of_one_film() -> None:
    assert InputContract().shape == (1, 224, 224, 3)


@pytest.mark.parametrize("key", ["schema", "name", "architecture", "positive", "metrics", "provenance", "files"])
def test_from_json_names_a_field_that_is_missing(key: str) -> None:
    value = MANIFEST.to_json()
    del value[key]

    with pytest.raises(BundleError, match=rf"^here: field '{key}' must be"):
        Manifest.from_json(value, where="here")


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (put("schema", 2), r"here: schema 2 is not 1"),
        (put("schema", True), r"field 'schema' must be of JSON type int"),
        (put("name", 3), r"field 'name' must be of JSON type str"),
        (put("architecture", None), r"field 'architecture' must be"),
        (put("labels", "covid"), r"field 'labels' must be of JSON type list"),
        (put("labels", ["covid", 1]), r"field 'labels' must be a list of strings"),
        (put("labels", ["covid", ""]), r"field 'labels' must be a list of strings"),
        (put("labels", ["noncovid"]), r"field 'labels' must be two or more"),
        (put("labels", ["noncovid", "noncovid"]), r"field 'labels' must be two or more different"),
        (put("positive", "tb"), r"field 'labels' must be .* 'positive' among them"),
        (put("threshold", "0.5"), r"field 'threshold' must be a finite number"),
        (put("threshold", True), r"field 'threshold' must be a finite number"),
        (put("threshold", float("nan")), r"field 'threshold' must be a finite number"),
        (put("threshold", 10**400), r"field 'threshold' must be a finite number"),
        (put("threshold", 1.5), r"field 'threshold' must lie between 0 and 1"),
        (put("threshold", -0.1), r"field 'threshold' must lie between 0 and 1"),
        (put("typicality_limit", "far"), r"field 'typicality_limit' must be a finite number"),
        (put("typicality_limit", float("inf")), r"field 'typicality_limit' must be a finite number"),
        (drop("contract"), r"field 'contract' must be of JSON type dict"),
        (put("contract", dataclasses.asdict(InputContract()) | {"width": 256}), r"contract has width=256"),
        (put("contract", dataclasses.asdict(InputContract()) | {"color": "BGR"}), r"contract has color='BGR'"),
        (put("contract", {}), r"contract has name=None"),
        (drop("artifacts"), r"field 'artifacts' must be of JSON type dict"),
        (put("artifacts", {"model.keras": []}), r"artifact model\.keras: must hold a JSON object"),
        (put_in_artifact("sha256", "0"), r"artifact model\.keras: field 'sha256' must be 64 hexadecimal"),
        (put_in_artifact("sha256", DIGEST.upper()), r"field 'sha256' must be 64 hexadecimal"),
        (put_in_artifact("format", None), r"artifact model\.keras: field 'format' must be"),
        (put_in_artifact("quantization", 8), r"field 'quantization' must be"),
        (put_in_artifact("size_bytes", 1.5), r"field 'size_bytes' must be of JSON type int"),
        (put_in_artifact("outputs", [None]), r"field 'outputs' must be a list of strings"),
        (put_in_artifact("details", []), r"field 'details' must be"),
        (put("files", {"notes.txt": "0"}), r"field 'files' must give notes\.txt a sha256"),
        (put("files", {"notes.txt": None}), r"field 'files' must give notes\.txt a sha256"),
    ],
)
def test_from_json_names_the_field_at_fault(change: Callable[[dict[str, Any]], object], fact: str) -> None:
    value = MANIFEST.to_json()
    change(value)

    with pytest.raises(BundleError, match=fact) as caught:
        Manifest.from_json(value, where="here")
    assert str(caught.value).startswith("here")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["../model.keras", "/etc/passwd", "a/b", "a\\b", "..", ".hidden", "", "C:model", "a\nb", "a\0b", MANIFEST_NAME],
)
def test_from_json_takes_plain_file_names_only(name: str) -> None:
    for change in (rename_artifact(name), put("files", {name: DIGEST})):
        value = MANIFEST.to_json()
        change(value)

        with pytest.raises(BundleError, match=r"which is no plain file name") as caught:
            Manifest.from_json(value, where="here")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, [], "manifest", 1])
def test_from_json_refuses_what_is_no_object(value: Any) -> None:
    with pytest.raises(BundleError, match=r"^here: must hold a JSON object"):
        Manifest.from_json(value, where="here")


@pytest.mark.parametrize("name", ["none", "file", "n" * 300])
def test_read_refuses_what_is_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(BundleError, match="not a bundle folder"):
        Bundle.read(tmp_path / name)


def test_read_refuses_a_folder_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no manifest\.json, so it is no finished bundle"):
        Bundle.read(tmp_path)


def test_read_names_a_manifest_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text('{"schema": 1')

    with pytest.raises(BundleError, match=r"manifest\.json: not valid JSON"):
        Bundle.read(tmp_path)


def test_read_refuses_a_manifest_of_many_megabytes(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text(" " * (8 * 2**20 + 1))

    with pytest.raises(UnsafeFileError, match="larger than the limit of 8 MiB"):
        Bundle.read(tmp_path)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("model_int8.onnx", "model_int8.onnx"),
        ("model_int8", "model_int8.onnx"),
        ("int8", "model_int8.onnx"),
        ("model", "model.keras"),
        ("float32", "model_float32.tflite"),
        ("model_float32.onnx", "model_float32.onnx"),
    ],
)
def test_artifact_is_found_by_file_name_stem_or_recipe(bundle: Bundle, asked: str, found: str) -> None:
    assert bundle.artifact(asked).name == found


@pytest.mark.parametrize("asked", ["int4", "", "../model.keras", "tflite"])
def test_artifact_lists_what_there_is_where_the_name_is_unknown(bundle: Bundle, asked: str) -> None:
    with pytest.raises(BundleError, match=r"has no artifact '.*' but model\.keras, model_float32\.onnx"):
        bundle.artifact(asked)


def test_artifact_bytes_are_the_files_own(bundle: Bundle) -> None:
    assert bundle.artifact_bytes(bundle.artifact("int8")) == CONTENT


def test_artifact_bytes_refuses_one_changed_byte(bundle: Bundle) -> None:
    path = bundle.path / "model_int8.onnx"
    path.write_bytes(CONTENT[:-1] + b"?")

    with pytest.raises(BundleError, match=r"model_int8\.onnx: sha256 differs from manifest\.json; export it again"):
        bundle.artifact_bytes(bundle.artifact("int8"))


def test_artifact_bytes_names_a_file_that_is_gone(bundle: Bundle) -> None:
    (bundle.path / "model_int8.onnx").unlink()

    with pytest.raises(BundleError, match=r"model_int8\.onnx: does not exist.*export the bundle again"):
        bundle.artifact_bytes(bundle.artifact("int8"))


def test_file_bytes_are_proved_by_their_hash(bundle: Bundle) -> None:
    assert bundle.file_bytes("typicality.npz") == CONTENT
    (bundle.path / "typicality.npz").write_bytes(b"changed")

    with pytest.raises(BundleError, match=r"typicality\.npz: sha256 differs"):
        bundle.file_bytes("typicality.npz")


def test_file_bytes_refuses_a_file_that_the_manifest_does_not_list(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json lists no file 'notes\.txt'"):
        bundle.file_bytes("notes.txt")


def test_write_manifest_leaves_the_old_one_where_it_cannot_write(bundle: Bundle) -> None:
    broken = Bundle(bundle.path / MANIFEST_NAME, MANIFEST)

    with pytest.raises(OutputError, match="cannot be written"):
        broken.write_manifest()
    assert Bundle.read(bundle.path).manifest == MANIFEST
