"""Bench runs on a real bundle: what is measured, what is compared with what, and what a broken artifact costs."""

from __future__ import annotations

import dataclasses
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cxr_edge import files
from cxr_edge.benchmarks import bench, report
from cxr_edge.benchmarks.bench import BenchOptions
from cxr_edge.benchmarks.result import ArtifactResult, BenchResult
from cxr_edge.bundle import Artifact, Bundle
from cxr_edge.dataset import Dataset, open_dataset
from cxr_edge.errors import BundleError, DataError, OutputError, RuntimeFailure, UsageError

QUICK = BenchOptions(min_runs=4, min_time_s=0.0, warmup_runs=1)
FLOAT, INT8 = "model_float32.tflite", "model_int8.tflite"

Copy = Callable[..., Bundle]


@pytest.fixture(scope="module")
def films() -> Dataset:
    chosen = open_dataset("phantom").select(split="test")
    return dataclasses.replace(chosen, items=chosen.items[:12])


@pytest.fixture(scope="module")
def result(tiny_bundle: Bundle, films: Dataset) -> BenchResult:
    """A run with everything that the bundle has, Keras included."""
    return bench.run(tiny_bundle, films, QUICK, out=None)


@pytest.fixture
def copy(tiny_bundle: Bundle, tmp_path: Path) -> Copy:
    """Make a bundle of some artifacts of the tiny one; `broken` ones have other content, and the hash of it."""

    def make(*names: str, broken: dict[str, bytes] | None = None) -> Bundle:
        folder = tmp_path / "copy"
        folder.mkdir()
        artifacts: dict[str, Artifact] = {}
        for name in names:
            shutil.copy(tiny_bundle.path / name, folder / name)
            artifacts[name] = tiny_bundle.artifact(name)
        for name, content in (broken or {}).items():
            (folder / name).write_bytes(content)
            artifacts[name] = dataclasses.replace(
                tiny_bundle.artifact(name), sha256=files.sha256_bytes(content), size_bytes=len(content)
            )
        made = Bundle(folder, dataclasses.replace(tiny_bundle.manifest, artifacts=artifacts, files={}))
        made.write_manifest()
        return made

    return make


def _row(result: BenchResult, name: str) -> ArtifactResult:
    return next(row for row in result.artifacts if row.name == name)


def test_bench_measures_every_artifact_of_the_bundle(result: BenchResult, tiny_bundle: Bundle) -> None:
    assert {row.name for row in result.artifacts} == set(tiny_bundle.manifest.artifacts)
    assert [row.failures for row in result.artifacts] == [()] * len(result.artifacts)


def test_bench_compares_with_the_float_keras_model(result: BenchResult) -> None:
    assert result.reference == "model.keras"
    change = _row(result, FLOAT).drift.change  # type: ignore[union-attr]
    assert change is not None
    assert change.largest < 1e-4
    assert change.flips == 0


def test_bench_times_each_artifact_and_keeps_the_raw_times(result: BenchResult) -> None:
    for row in result.artifacts:
        (latency,) = row.latencies
        assert 0 < latency.p50_ms <= latency.p90_ms <= latency.p99_ms
        assert sum(len(turn) for turn in latency.times_ms) == latency.runs
        assert latency.kind == "measured"


def test_bench_reads_the_memory_of_each_artifacts_own_process(result: BenchResult) -> None:
    litert, keras = (_row(result, name).latencies[0] for name in (FLOAT, "model.keras"))
    assert 0 < litert.increase_mib < litert.peak_mib < 400
    assert keras.peak_mib > litert.peak_mib + 100


def test_bench_scores_are_those_of_the_runtime_in_this_process(
    result: BenchResult, tiny_bundle: Bundle, films: Dataset
) -> None:
    from cxr_edge import runtimes

    runtime = runtimes.open_artifact(tiny_bundle, tiny_bundle.artifact(INT8))
    wanted = runtime.run(films.pixels())["probabilities"][:, tiny_bundle.manifest.positive_index]
    assert _row(result, INT8).drift.scores == pytest.approx(wanted.tolist())  # type: ignore[union-attr]


def test_bench_result_is_written_and_read_back(result: BenchResult, tmp_path: Path) -> None:
    written = report.write(result, tmp_path)
    assert report.read(written[0]) == result
    assert max(len(line) for line in report.table(result).splitlines()) <= 120


def test_bench_says_so_when_the_reference_is_not_keras(copy: Copy, films: Dataset) -> None:
    found = bench.run(copy(FLOAT, INT8), films, QUICK, out=None)
    assert found.reference == FLOAT
    assert any("not the float Keras model" in text for text in found.warnings)
    assert "model_float32.tflite, not the float Keras model" in " ".join(report.table(found).split())


def test_bench_makes_a_broken_artifact_a_row_with_its_reason(copy: Copy, films: Dataset) -> None:
    found = bench.run(copy(FLOAT, broken={INT8: b"\0\0\0\0TFL3" + bytes(100)}), films, QUICK, out=None)
    row = _row(found, INT8)
    assert row.drift is None
    assert len(row.failures) == 1
    assert row.failures[0].startswith(INT8)
    assert _row(found, FLOAT).latencies


def test_bench_makes_a_changed_artifact_a_row_with_its_reason(copy: Copy, films: Dataset) -> None:
    bundle = copy(FLOAT, INT8)
    (bundle.path / INT8).write_bytes(b"other")
    found = bench.run(bundle, films, QUICK, out=None)
    assert "sha256 differs" in _row(found, INT8).failures[0]


def test_bench_fails_when_no_reference_runs(copy: Copy, films: Dataset) -> None:
    with pytest.raises(RuntimeFailure, match=f"nothing to compare with runs: {FLOAT}"):
        bench.run(copy(INT8, broken={FLOAT: b"not a model"}), films, QUICK, out=None)


def test_bench_fails_without_a_reference_in_the_bundle(copy: Copy, films: Dataset) -> None:
    with pytest.raises(BundleError, match=r"has none of model\.keras"):
        bench.run(copy(INT8), films, QUICK, out=None)


def test_bench_times_every_thread_count(copy: Copy, films: Dataset) -> None:
    found = bench.run(copy(FLOAT), films, dataclasses.replace(QUICK, threads=(1, 2)), out=None)
    assert [latency.threads for latency in _row(found, FLOAT).latencies] == [1, 2]


def test_bench_goes_on_until_the_time_asked_for_has_passed(copy: Copy, films: Dataset) -> None:
    found = bench.run(copy(FLOAT), films, dataclasses.replace(QUICK, min_time_s=0.8), out=None)
    (latency,) = _row(found, FLOAT).latencies
    assert math.fsum(time for turn in latency.times_ms for time in turn) > 0.6e3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": ("tpu",)}, "device 'tpu' is not known; choose from: cpu"),
        ({"threads": (0,)}, "threads: must be 1 or more"),
        ({"min_runs": 0}, "at least 1 run"),
    ],
)
def test_bench_refuses_options_that_cannot_be(
    tiny_bundle: Bundle, films: Dataset, changes: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        bench.run(tiny_bundle, films, dataclasses.replace(QUICK, **changes), out=None)  # type: ignore[arg-type]


def test_bench_refuses_films_of_one_class(tiny_bundle: Bundle, films: Dataset) -> None:
    one = dataclasses.replace(films, items=tuple(item for item in films.items if item.label == "covid"))
    with pytest.raises(DataError, match="needs at least 2 of each"):
        bench.run(tiny_bundle, one, QUICK, out=None)


def test_bench_refuses_a_place_it_cannot_write_before_it_measures(
    tiny_bundle: Bundle, films: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        bench.run(tiny_bundle, films, QUICK, out=tmp_path / "file" / "out")


def test_bench_never_loads_tensorflow_or_a_runtime_into_its_own_process() -> None:
    code = "import sys; from cxr_edge.benchmarks import bench, report; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not [name for name in ("tensorflow", "keras", "onnxruntime", "ai_edge_litert") if f"'{name}'" in loaded]


def test_bench_times_the_films_of_the_set(films: Dataset) -> None:
    pixels = films.pixels()
    picked = bench._pick_films(np.concatenate([pixels, 255 - pixels]), seed=0)
    assert len(picked) == 16
    assert len({film.tobytes() for film in picked}) == 16


def test_bench_without_tensorflow_takes_the_next_reference_and_says_why(
    copy: Copy, films: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keras.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = bench.run(copy("model.keras", FLOAT), films, QUICK, out=None)
    assert found.reference == FLOAT
    assert "pip install 'cxr-edge[train]'" in _row(found, "model.keras").failures[0]
    assert any("pip install 'cxr-edge[train]'" in text for text in found.warnings)
