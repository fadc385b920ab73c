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
from click.testing import CliRunner

from cxr_edge.benchmarks import run
from cxr_edge.benchmarks.drift import image_set
from cxr_edge.benchmarks.report import report_files
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.drift_result import PASS, UNDECIDED, DriftReport
from cxr_edge.benchmarks.run import BenchOptions
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.cli.main import main
from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.errors import BundleError, DataError, OutputError, RuntimeFailure, UsageError
from cxr_edge.metrics import operating_point
from cxr_edge.metrics.budget import Limits
from cxr_edge.phantom.sets import write_folder
from cxr_edge.system import files

QUICK = BenchOptions(min_runs=4, min_time_s=0.0, warmup_runs=1)
FLOAT, INT8 = "model_float32.tflite", "model_int8.tflite"

Copy = Callable[..., Bundle]


@pytest.fixture(scope="module")
def films() -> Dataset:
    whole = open_dataset("phantom")
    items = [item for split in ("val", "test") for item in whole.select(split=split).items[:12]]
    return dataclasses.replace(whole, items=tuple(items))


@pytest.fixture(scope="module")
def result(tiny_bundle: Bundle, films: Dataset) -> BenchResult:
    """A run with everything that the bundle has, Keras included."""
    return run.run(tiny_bundle, films, QUICK, out=None)


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
    assert change.flips.count == 0
    assert change.verdict.outcome in (PASS, UNDECIDED)


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
    from cxr_edge.models import open_model

    runtime = open_model(tiny_bundle, tiny_bundle.artifact(INT8))
    wanted = runtime.run(films.select(split="test").pixels())["probabilities"][:, tiny_bundle.manifest.positive_index]
    assert _row(result, INT8).drift.scores == pytest.approx(wanted.tolist())  # type: ignore[union-attr]


def test_bench_result_is_written_and_read_back(result: BenchResult, tmp_path: Path) -> None:
    written = report_files.write(result, tmp_path)
    assert report_files.read(written[0]) == result
    assert max(len(line) for line in report_files.details(result).splitlines()) <= 120


def _drift(result: BenchResult, name: str) -> DriftReport:
    drift = _row(result, name).drift
    assert drift is not None
    return drift


def test_bench_fits_the_threshold_of_each_artifact_anew_on_val(
    result: BenchResult, tiny_bundle: Bundle, films: Dataset
) -> None:
    from cxr_edge.models import open_model

    val = films.select(split="val")
    runtime = open_model(tiny_bundle, tiny_bundle.artifact(INT8))
    scores = runtime.run(val.pixels())["probabilities"][:, tiny_bundle.manifest.positive_index].astype(float)
    positive = np.array([item.label == "covid" for item in val.items])
    transfer = _drift(result, INT8).transfer
    assert transfer.fitted_on == "val"
    assert transfer.threshold == pytest.approx(operating_point.youden_threshold(scores, positive))


def test_bench_fits_on_the_measured_films_where_there_are_no_others(copy: Copy, films: Dataset) -> None:
    found = run.run(copy(FLOAT, INT8), films.select(split="test"), QUICK, out=None)
    assert _drift(found, INT8).transfer.fitted_on == "test"
    assert "(these are the measured images, so the rates are optimistic)" in " ".join(
        report_files.details(found).split()
    )


def test_bench_sets_heat_maps_against_the_masks_and_the_float_artifacts_maps(result: BenchResult) -> None:
    assert _drift(result, "model.keras").localisation is None
    first, other = (_drift(result, name).localisation for name in (FLOAT, "model_float32.onnx"))
    assert first is not None
    assert other is not None
    assert (first.films, first.energy_change, other.reference) == (6, None, FLOAT)
    assert other.energy_change is not None
    assert abs(other.energy_change.value) < 1e-3


def test_bench_keeps_the_heat_maps_of_the_gallerys_films(result: BenchResult) -> None:
    assert len(result.gallery) == 12
    assert [entry.margin for entry in result.gallery] == sorted(
        (entry.margin for entry in result.gallery), reverse=True
    )
    for entry in result.gallery:
        assert set(entry.heatmaps) == {row.name for row in result.artifacts} - {"model.keras"}
        assert max(entry.heatmaps[FLOAT]) == pytest.approx(1.0, abs=1e-3)


def test_bench_is_held_to_a_budget(copy: Copy, films: Dataset) -> None:
    limits = Limits(size_mb=5.0, p90_ms=1e6)
    found = run.run(copy(FLOAT, INT8), films, QUICK, out=None, limits=limits)
    assert found.budget is not None
    assert found.budget.artifacts == (FLOAT, INT8)
    assert [(miss.artifact, miss.limit) for miss in found.budget.misses] == [(FLOAT, "size_mb")]


def test_bench_command_ends_with_3_and_names_each_miss(copy: Copy, tmp_path: Path) -> None:
    budget = tmp_path / "limits.json"
    budget.write_text('{"size_mb": 5, "p50_ms": 0.001, "artifacts": ["model_float32.tflite"]}')
    films = _write_films(tmp_path / "films")
    arguments = ["bench", str(copy(FLOAT, INT8).path), "--data", str(films), "--budget", str(budget)]
    shown = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "out")])
    assert shown.exit_code == 3, shown.output
    assert "the budget is not met: model_float32.tflite: 9.3" in shown.output
    assert f"{INT8}: p50" not in shown.output
    lines = shown.stdout.splitlines()
    assert len(lines) <= 24
    assert "budget: missed by model_float32.tflite" in lines
    assert f"report: {tmp_path / 'out' / 'bench.html'} (all figures here: --verbose)" in lines
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("bench.csv", "bench.html", "bench.json", "bench.md", "bench.xml")
    ]
    assert (tmp_path / "out" / "bench.html").read_text().count("data:image/jpeg") > 8


def _write_films(folder: Path) -> Path:
    write_folder(folder, {"val": 6, "test": 8})
    return folder


def test_bench_says_so_when_the_reference_is_not_keras(copy: Copy, films: Dataset) -> None:
    found = run.run(copy(FLOAT, INT8), films, QUICK, out=None)
    assert found.reference == FLOAT
    assert any("not the float Keras model" in text for text in found.warnings)
    assert "model_float32.tflite, not the float Keras model" in " ".join(report_files.details(found).split())


def test_bench_makes_a_broken_artifact_a_row_with_its_reason(copy: Copy, films: Dataset) -> None:
    found = run.run(copy(FLOAT, broken={INT8: b"\0\0\0\0TFL3" + bytes(100)}), films, QUICK, out=None)
    row = _row(found, INT8)
    assert row.drift is None
    assert len(row.failures) == 1
    assert row.failures[0].startswith(INT8)
    assert _row(found, FLOAT).latencies


def test_bench_makes_a_changed_artifact_a_row_with_its_reason(copy: Copy, films: Dataset) -> None:
    bundle = copy(FLOAT, INT8)
    (bundle.path / INT8).write_bytes(b"other")
    found = run.run(bundle, films, QUICK, out=None)
    assert "sha256 differs" in _row(found, INT8).failures[0]


def test_bench_fails_when_no_reference_runs(copy: Copy, films: Dataset) -> None:
    with pytest.raises(RuntimeFailure, match=f"no reference runs: {FLOAT}"):
        run.run(copy(INT8, broken={FLOAT: b"not a model"}), films, QUICK, out=None)


def test_bench_fails_without_a_reference_in_the_bundle(copy: Copy, films: Dataset) -> None:
    with pytest.raises(BundleError, match=r"has none of model\.keras"):
        run.run(copy(INT8), films, QUICK, out=None)


def test_bench_times_every_thread_count(copy: Copy, films: Dataset) -> None:
    found = run.run(copy(FLOAT), films, dataclasses.replace(QUICK, threads=(1, 2)), out=None)
    assert [latency.threads for latency in _row(found, FLOAT).latencies] == [1, 2]


def test_bench_goes_on_until_the_time_asked_for_has_passed(copy: Copy, films: Dataset) -> None:
    found = run.run(copy(FLOAT), films, dataclasses.replace(QUICK, min_time_s=0.8), out=None)
    (latency,) = _row(found, FLOAT).latencies
    assert math.fsum(time for turn in latency.times_ms for time in turn) > 0.6e3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": ("tpu",)}, "device 'tpu' is not known; choose from: cpu"),
        ({"threads": (0,)}, "threads: must be 1 or more"),
        ({"min_runs": 0}, "at least 1 run"),
        ({"margin": 0.0}, "margin and specificity: are parts of 1"),
    ],
)
def test_bench_refuses_options_that_cannot_be(
    tiny_bundle: Bundle, films: Dataset, changes: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run.run(tiny_bundle, films, dataclasses.replace(QUICK, **changes), out=None)  # type: ignore[arg-type]


def test_bench_refuses_films_of_one_class(tiny_bundle: Bundle, films: Dataset) -> None:
    one = dataclasses.replace(films, items=tuple(item for item in films.items if item.label == "covid"))
    with pytest.raises(DataError, match="needs at least 2 of each"):
        run.run(tiny_bundle, one, QUICK, out=None)


def test_bench_refuses_a_place_it_cannot_write_before_it_measures(
    tiny_bundle: Bundle, films: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        run.run(tiny_bundle, films, QUICK, out=tmp_path / "file" / "out")


def test_bench_never_loads_tensorflow_or_a_runtime_into_its_own_process() -> None:
    modules = "cxr_edge.benchmarks.run, cxr_edge.benchmarks.drift.image_set, cxr_edge.benchmarks.report.report_files"
    code = f"import sys, {modules}; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not [name for name in ("tensorflow", "keras", "onnxruntime", "ai_edge_litert") if f"'{name}'" in loaded]


def test_bench_times_the_films_of_the_set(films: Dataset) -> None:
    pixels = films.select(split="test").pixels()
    picked = image_set.pick_films(np.concatenate([pixels, 255 - pixels]), seed=0)
    assert len(picked) == 16
    assert len({film.tobytes() for film in picked}) == 16


def test_bench_without_tensorflow_takes_the_next_reference_and_says_why(
    copy: Copy, films: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keras.py").write_text("raise ImportError('not here')")
    monkeypatch.syspath_prepend(tmp_path)
    found = run.run(copy("model.keras", FLOAT), films, QUICK, out=None)
    assert found.reference == FLOAT
    assert "pip install 'cxr-edge[train]'" in _row(found, "model.keras").failures[0]
    assert any("pip install 'cxr-edge[train]'" in text for text in found.warnings)
