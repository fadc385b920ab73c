"""A budget as a gate: which artifacts it holds, and what it names when they miss it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from cxr_edge.benchmarks.result import budget_check
from cxr_edge.benchmarks.result.bench_result import BenchResult, BudgetReport, Miss
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.errors import UsageError
from cxr_edge.metrics.budget import Budget, Limits
from tests.support.benches import BROKEN, FLOAT, INT8, make_result

ARTIFACTS = [Artifact(name, name.rsplit(".", 1)[1], "none", "0" * 64, 1, ()) for name in ("model.keras", FLOAT, INT8)]


@pytest.fixture(scope="module")
def result() -> BenchResult:
    return make_result()


def _misses(result: BenchResult, name: str, **limits: Any) -> list[tuple[str, str]]:
    report = budget_check.check(dataclasses.replace(Limits(), **limits), result.artifacts, (name,))
    return [(miss.limit, miss.fact) for miss in report.misses]


def test_gate_holds_every_artifact_but_keras() -> None:
    assert budget_check.choose(Limits(p90_ms=5.0), ARTIFACTS, 0.01) == (FLOAT, INT8)


def test_gate_holds_those_that_the_budget_names() -> None:
    assert budget_check.choose(Limits(p90_ms=5.0, artifacts=(INT8,)), ARTIFACTS, 0.01) == (INT8,)


def test_gate_refuses_an_artifact_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"names 'model_int4\.tflite', which is not in the bundle"):
        budget_check.choose(Limits(p90_ms=5.0, artifacts=("model_int4.tflite",)), ARTIFACTS, 0.01)


def test_gate_refuses_a_margin_other_than_the_verdicts() -> None:
    with pytest.raises(UsageError, match=r"auc_margin is 0\.02 and --margin 0\.01"):
        budget_check.choose(Limits(auc_margin=0.02), ARTIFACTS, 0.01)


@pytest.mark.parametrize(
    ("given", "limits", "wanted"),
    [(None, None, 0.01), (0.03, None, 0.03), (None, Limits(auc_margin=0.02), 0.02), (0.03, Limits(), 0.03)],
)
def test_margin_is_the_one_given_or_the_budgets(given: float | None, limits: Limits | None, wanted: float) -> None:
    assert budget_check.choose_margin(given, limits) == wanted


@pytest.mark.parametrize(
    ("limits", "fact"),
    [
        ({"flips": 0.01}, "of 40 images flip; the limit is 1.00%"),
        ({"auc_change": 0.0001}, "AUC changes by"),
        ({"auc_margin": 0.01}, "not enough images: AUC changes by"),
        ({"size_mb": 3.0}, "3.20 MB; the limit is 3 MB"),
        ({"p50_ms": 12.0}, "p50 13 ms on cpu (measured), 1 thread; the limit is 12 ms"),
        ({"p90_ms": 15.0}, "p90 16 ms on cpu (measured), 1 thread; the limit is 15 ms"),
        ({"peak_mib": 50.0}, "peak 74 MiB on cpu (measured), 1 thread; the limit is 50 MiB"),
    ],
)
def test_gate_names_a_limit_that_is_missed(result: BenchResult, limits: dict[str, float], fact: str) -> None:
    (limit, found), *_ = _misses(result, INT8, **limits)
    assert limit in limits
    assert fact in found


def test_gate_lets_what_is_within_its_limits_pass(result: BenchResult) -> None:
    limits = {"flips": 0.5, "auc_change": 0.5, "size_mb": 4.0, "p50_ms": 20.0, "p90_ms": 20.0, "peak_mib": 100.0}
    assert _misses(result, INT8, **limits, sensitivity_drop=1.0, specificity_drop=1.0) == []


def test_gate_names_a_loss_of_a_rate_and_lets_a_gain_pass() -> None:
    noisy = make_result(noise=4.0)
    drift = noisy.artifacts[1].drift
    assert drift is not None
    assert drift.change is not None
    name, drop = "sensitivity", -drift.change.sensitivity
    if drop <= 0:
        name, drop = "specificity", -drift.change.specificity
    assert drop > 0
    assert _misses(noisy, INT8, **{f"{name}_drop": drop}) == []
    ((limit, fact),) = _misses(noisy, INT8, **{f"{name}_drop": drop / 2})
    assert limit == f"{name}_drop"
    assert f"{name} changes by -{drop:.4f}" in fact


def test_gate_fails_an_artifact_that_did_not_run(result: BenchResult) -> None:
    misses = _misses(result, BROKEN, size_mb=4.0, p90_ms=5.0)
    assert [limit for limit, _ in misses] == ["runs", "p90_ms"]
    assert "SIGSEGV" in misses[0][1]


def _write(folder: Path, value: Any) -> Path:
    path = folder / "budget.json"
    path.write_text(json.dumps(value))
    return path


def test_one_file_may_hold_limits_for_export_and_for_bench(tmp_path: Path) -> None:
    path = _write(tmp_path, {"flips": 0.02, "size_ratio": 1.5, "p90_ms": 50, "artifacts": [INT8]})
    assert Budget.read(path) == Budget(flips=0.02, size_ratio=1.5)
    assert Limits.read(path) == Limits(flips=0.02, p90_ms=50.0, artifacts=(INT8,))


def test_limits_are_only_those_that_the_file_states(tmp_path: Path) -> None:
    assert Limits.read(_write(tmp_path, {"p90_ms": 50})).stated() == {"p90_ms": 50.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"size_ratio": 1.5}, "holds no limit for a bench"),
        ({"p90_ms": 0}, "'p90_ms' is 0; a time or size must be above 0"),
        ({"auc_margin": 2}, "'auc_margin' is 2; give a part between 0 and 1"),
        ({"p90_ms": 5, "artifacts": "all"}, "'artifacts' must be a list of names"),
    ],
)
def test_limits_that_make_no_sense_are_refused(tmp_path: Path, value: Any, text: str) -> None:
    with pytest.raises(UsageError, match=r"budget\.json") as caught:
        Limits.read(_write(tmp_path, value))
    assert text in str(caught.value)


def test_describe_names_three_misses_and_counts_the_others() -> None:
    misses = tuple(Miss(INT8, "size_mb", f"miss {number}") for number in range(5))
    told = budget_check.describe(BudgetReport({}, (INT8,), misses))
    assert told == f"{INT8}: miss 0; {INT8}: miss 1; {INT8}: miss 2; and 2 more"
