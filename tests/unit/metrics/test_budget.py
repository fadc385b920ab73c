"""The budget: what it allows, what it names when it is missed, and which files it refuses."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from cxr_edge.errors import DataError, UsageError
from cxr_edge.metrics.budget import Budget, Drift

CLEAN = Drift(films=300, flips=3, auc_change=-0.005, max_change=0.1, mean_change=0.01, distinct=300)


def write(folder: Path, value: Any) -> Path:
    path = folder / "budget.json"
    path.write_text(json.dumps(value))
    return path


def test_a_drift_at_the_limits_is_within() -> None:
    assert Budget().misses(CLEAN, size_ratio=1.1, latency_ratio=1.1) == []


def test_a_loss_of_exactly_the_limit_is_allowed_whatever_floats_make_of_it() -> None:
    # 27 of the 5400 pairs of 60 positive and 90 negative films, as two AUCs give it.
    exact = dataclasses.replace(CLEAN, films=150, flips=1, auc_change=0.9609259259259259 - 0.965925925925926)

    assert abs(exact.auc_change) > 0.005
    assert Budget().misses(exact) == []
    assert Budget().excess(exact) == 0


def test_two_small_misses_exceed_the_budget_by_less_than_one_large_one() -> None:
    small = Drift(**{**vars(CLEAN), "flips": 4, "auc_change": -0.0055})
    large = Drift(**{**vars(CLEAN), "flips": 9})
    assert Budget().excess(CLEAN) == 0
    assert 0 < Budget().excess(small) < Budget().excess(large)


@pytest.mark.parametrize(
    ("change", "ratios", "text"),
    [
        ({"flips": 4}, {}, "4 of 300 images flip; the limit is 1.00%"),
        ({"auc_change": 0.006}, {}, "AUC changes by +0.0060"),
        ({}, {"size_ratio": 1.2}, "size is 1.20 times the stock int8; the limit is 1.1"),
        ({}, {"latency_ratio": 1.5}, "latency is 1.50 times the stock int8; the limit is 1.1"),
    ],
)
def test_each_miss_is_named(change: dict[str, Any], ratios: dict[str, float], text: str) -> None:
    drift = Drift(**{**vars(CLEAN), **change})
    (miss,) = Budget().misses(drift, **ratios)
    assert text in miss


def test_read_takes_what_is_given_and_defaults_for_the_rest(tmp_path: Path) -> None:
    budget = Budget.read(write(tmp_path, {"flips": 0}))
    assert budget == Budget(flips=0.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([0.01], "must hold a JSON object"),
        ({"flip": 0.01}, "'flip' is no field of a budget"),
        ({"flips": "few"}, "'flips' must be a finite number"),
        ({"flips": True}, "'flips' must be a finite number"),
        ({"flips": -0.1}, "'flips' is -0.1; give a part between 0 and 1"),
        ({"auc_change": 2}, "'auc_change' is 2; give a part"),
        ({"size_ratio": 0}, "'size_ratio' is 0; a ratio to the stock int8 must be above 0"),
    ],
)
def test_read_refuses_a_budget_that_makes_no_sense(tmp_path: Path, value: Any, text: str) -> None:
    with pytest.raises(UsageError, match=r"budget\.json") as caught:
        Budget.read(write(tmp_path, value))
    assert text in str(caught.value)


def test_read_refuses_what_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "budget.json"
    path.write_text("flips = 0.01")
    with pytest.raises(DataError, match="not valid JSON"):
        Budget.read(path)
