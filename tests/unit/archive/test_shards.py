"""Shards: their schema and metadata, what counts as done, and the counts over them."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from cxr_edge.archive import shards
from cxr_edge.archive.shards import Row
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.errors import DataError, MissingExtraError, UsageError
from cxr_edge.system.about import RESEARCH_ONLY, __version__

ROWS = [
    Row("a.png", "0" * 64, (0.25, 0.75), "noncovid", 1.5, True, ("low resolution",)),
    Row("b\udcff.png", "1" * 64, error="the PNG data are damaged"),
]


@pytest.fixture
def run(brightness_bundle: Bundle) -> dict[str, Any]:
    manifest = brightness_bundle.manifest
    return shards.describe_run(manifest, manifest.artifacts["model_float32.tflite"], "ab" * 32, 3)


def write(folder: Path, run: dict[str, Any], index: int, rows: list[Row] = ROWS) -> Path:
    path = folder / shards.shard_name(index)
    path.write_bytes(shards.encode(rows, run, index))
    return path


def test_rows_come_back_as_they_were(run: dict[str, Any], tmp_path: Path) -> None:
    first, second = parquet.read_table(write(tmp_path, run, 0)).to_pylist()

    assert first == {
        "path": "a.png",
        "sha256": "0" * 64,
        "probabilities": {"covid": 0.25, "noncovid": 0.75},
        "label": "noncovid",
        "typicality": 1.5,
        "untypical": True,
        "warnings": ["low resolution"],
        "error": None,
    }
    assert (second["path"], second["probabilities"], second["error"]) == (
        "b\\udcff.png",
        None,
        "the PNG data are damaged",
    )


def test_metadata_name_model_plan_version_and_purpose(
    run: dict[str, Any], brightness_bundle: Bundle, tmp_path: Path
) -> None:
    stored = json.loads(parquet.read_schema(write(tmp_path, run, 2)).metadata[b"cxr_edge"])
    artifact = brightness_bundle.manifest.artifacts["model_float32.tflite"]

    assert stored["model"]["sha256"] == artifact.sha256
    assert (stored["partition"], stored["partitions"], stored["plan_sha256"]) == (2, 3, "ab" * 32)
    assert (stored["cxr_edge"], stored["research_only"]) == (__version__, RESEARCH_ONLY)


def test_the_same_rows_are_the_same_bytes(run: dict[str, Any]) -> None:
    assert shards.encode(ROWS, run, 1) == shards.encode(list(ROWS), dict(run), 1)


def test_done_are_the_partitions_with_a_shard(run: dict[str, Any], tmp_path: Path) -> None:
    for index in (0, 2):
        write(tmp_path, run, index)
    (tmp_path / ".cxr-edge-tmp-1-ab").write_bytes(b"half")

    assert shards.find_done(tmp_path, run) == {0, 2}


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"plan_sha256": "cd" * 32}, "another list of films"),
        ({"model": {}}, "another model"),
        ({"schema": 0}, "version"),
    ],
)
def test_a_shard_of_another_run_is_refused(
    run: dict[str, Any], tmp_path: Path, change: dict[str, Any], fact: str
) -> None:
    write(tmp_path, run, 0)

    with pytest.raises(UsageError, match=fact):
        shards.find_done(tmp_path, run | change)


@pytest.mark.parametrize("keep", [0, 4, 200])
def test_a_damaged_shard_is_named(run: dict[str, Any], tmp_path: Path, keep: int) -> None:
    path = write(tmp_path, run, 0)
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(DataError, match=r"part-000000\.parquet: is damaged"):
        shards.find_done(tmp_path, run)
    with pytest.raises(DataError, match=r"part-000000\.parquet: is damaged"):
        shards.tally(tmp_path)


def test_a_parquet_file_of_someone_else_is_no_shard(run: dict[str, Any], tmp_path: Path) -> None:
    table = parquet.read_table(write(tmp_path, run, 0)).replace_schema_metadata({})
    parquet.write_table(table, tmp_path / shards.shard_name(0))

    with pytest.raises(DataError, match="is no shard"):
        shards.find_done(tmp_path, run)


def test_the_tally_counts_labels_untypical_films_and_errors(run: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, run, 0)
    write(tmp_path, run, 1, [ROWS[0], Row("c.png", error="gone")])
    counts = shards.tally(tmp_path)

    assert (counts.films, counts.failed, counts.untypical) == (4, 2, 2)
    assert counts.labels == Counter(noncovid=2)
    assert counts.errors == Counter({"the PNG data are damaged": 1, "gone": 1})


def test_without_pyarrow_the_error_names_the_light_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtraError, match=r"pip install 'cxr-edge\[archive\]'"):
        shards.import_parquet()
