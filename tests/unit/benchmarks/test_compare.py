"""Two bench results side by side."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cxr_edge.benchmarks.compare import Comparison, RowDifference, compare
from cxr_edge.benchmarks.report import report_files
from cxr_edge.benchmarks.report.comparison import describe
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.cli.main import main
from cxr_edge.metrics import roc
from tests.support.benches import BROKEN, FLOAT, INT8, latency, make_result


def _with(result: BenchResult, name: str, **fields: object) -> BenchResult:
    rows = tuple(dataclasses.replace(row, **fields) if row.name == name else row for row in result.artifacts)  # type: ignore[arg-type]
    return dataclasses.replace(result, artifacts=rows)


def _row(comparison: Comparison, name: str) -> RowDifference:
    return next(row for row in comparison.rows if row.name == name)


def _artifact(result: BenchResult, name: str) -> ArtifactResult:
    return next(row for row in result.artifacts if row.name == name)


@pytest.fixture(scope="module")
def result() -> BenchResult:
    return make_result()


def test_compare_of_a_result_with_itself_finds_nothing_beyond_the_noise(result: BenchResult) -> None:
    found = compare(result, result)
    assert found.paired
    assert found.same_machine
    assert [row.auc_beyond_noise for row in found.rows] == [False] * 3
    assert not any(item.beyond_noise for row in found.rows for item in row.latencies)
    assert [row.flips.count for row in found.rows if row.flips is not None] == [0, 0]


def test_compare_pairs_the_films_where_they_are_the_same(result: BenchResult) -> None:
    worse = _artifact(make_result(noise=4.0), INT8)
    found = _row(compare(result, _with(result, INT8, drift=worse.drift)), INT8)
    ours = _artifact(result, INT8).drift
    assert found.auc is not None
    assert worse.drift is not None
    assert ours is not None
    positive = np.array(result.data.positive)
    assert found.auc == roc.auc_change(np.array(ours.scores), np.array(worse.drift.scores), positive)
    assert found.auc_beyond_noise
    assert found.flips is not None
    assert found.flips.count > 0


def test_compare_takes_other_films_as_another_sample(result: BenchResult) -> None:
    other = dataclasses.replace(result, data=dataclasses.replace(result.data, fingerprint="e" * 64))
    found = compare(result, other)
    assert not found.paired
    auc = _row(found, INT8).auc
    drift = _artifact(result, INT8).drift
    assert auc is not None
    assert drift is not None
    # Of the difference of two independent AUCs of the same variance.
    assert auc.high == pytest.approx(2**0.5 * (drift.auc.value - drift.auc.low), rel=1e-6)
    assert any("the images differ" in text for text in found.warnings)


def test_compare_tells_a_slower_artifact_from_the_noise(result: BenchResult) -> None:
    slower = _with(result, INT8, latencies=(latency(scale=1.4), latency(2, 0.6)))
    first, second = _row(compare(result, slower), INT8).latencies
    assert first.ratio is not None
    assert first.ratio.value == pytest.approx(1.4)
    assert (first.beyond_noise, second.beyond_noise) == (True, False)


def test_compare_claims_nothing_from_a_single_turn(result: BenchResult) -> None:
    one = dataclasses.replace(latency(scale=9), times_ms=latency(scale=9).times_ms[:1])
    (found,) = _row(compare(result, _with(result, INT8, latencies=(one,))), INT8).latencies
    assert (found.ratio, found.beyond_noise) == (None, False)


def test_compare_never_sets_a_measured_latency_against_an_emulated_one(result: BenchResult) -> None:
    emulated = dataclasses.replace(latency(), kind="emulated")
    assert _row(compare(result, _with(result, INT8, latencies=(emulated,))), INT8).latencies == ()


def test_compare_warns_of_another_machine_and_threshold(result: BenchResult) -> None:
    other = dataclasses.replace(
        result,
        machine=dataclasses.replace(result.machine, cpu_model="Cortex-A76"),
        model=dataclasses.replace(result.model, threshold=0.4),
    )
    warnings = " ".join(compare(result, other).warnings)
    assert "the machines differ" in warnings
    assert "the thresholds differ (0.500 and 0.400)" in warnings


def test_description_fits_120_columns_and_names_what_is_in_one_only(result: BenchResult) -> None:
    shorter = dataclasses.replace(result, artifacts=result.artifacts[:2])
    shown = describe(compare(result, shorter), "a", "b" * 60)
    assert max(len(line) for line in shown.splitlines()) <= 120
    assert f"only in A: {BROKEN}" in shown
    assert shown.splitlines()[-1] == "For research only; not for diagnosis."


def test_description_says_which_differences_exceed_the_noise(result: BenchResult) -> None:
    slower = _with(result, INT8, latencies=(latency(scale=1.4),), size_bytes=4_000_000)
    shown = " ".join(describe(compare(result, slower), "a", "b").split())
    assert f"{INT8}: B is slower on cpu, 1 thread: 1.40 [" in shown
    assert f"{INT8}: 3.20 MB in A, 4.00 MB in B" in shown
    assert f"{FLOAT}: B is" not in shown


def test_command_compares_folders_and_prints_json(result: BenchResult, tmp_path: Path) -> None:
    report_files.write(result, tmp_path / "a")
    report_files.write(make_result(noise=4.0), tmp_path / "b")
    places = [str(tmp_path / "a"), str(tmp_path / "b" / "bench.json")]
    shown = CliRunner().invoke(main, ["report", "compare", *places])
    assert shown.exit_code == 0, shown.output
    assert f"{INT8}: AUC differs by more than the noise" in shown.output
    assert "expected beyond the noise by chance" not in shown.output
    verbose = CliRunner().invoke(main, ["report", "compare", *places, "--verbose"]).output
    assert "expected beyond the noise by chance" in verbose
    value = json.loads(CliRunner().invoke(main, ["report", "compare", *places, "--json"]).output)
    assert value["paired"] is True
    assert value["rows"][1]["auc_beyond_noise"] is True


def test_command_names_a_result_that_is_not_there(tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["report", "compare", str(tmp_path), str(tmp_path)])
    assert shown.exit_code == 1
    assert "bench.json" in shown.output


def test_compare_shows_memory_without_a_judgement(result: BenchResult) -> None:
    heavier = dataclasses.replace(latency(), peak_mib=99.4)
    found = compare(result, _with(result, INT8, latencies=(heavier,)))
    assert [item.peak_mib for item in _row(found, INT8).latencies] == [(74.0, 99.4)]
    shown = " ".join(describe(found, "a", "b").split())
    assert f"peak memory in MiB, A / B: {FLOAT} 74 / 74, {INT8} 74 / 99" in shown
    assert "beyond: the 95 % interval" in shown


def test_describe_names_the_device_of_a_row_where_there_are_several(result: BenchResult) -> None:
    both = _with(result, INT8, latencies=(latency(), dataclasses.replace(latency(), device="gpu:webgpu")))
    lines = describe(compare(both, both), "a", "b").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(INT8))
    assert lines[at + 1].startswith("  gpu:webgpu")
