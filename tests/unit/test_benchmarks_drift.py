"""Figures of an artifact against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from cxr_edge.benchmarks import drift
from cxr_edge.benchmarks.drift import Truth
from cxr_edge.errors import DataError

REFERENCE = np.array([0.9, 0.8, 0.45, 0.4, 0.3, 0.1])
TRUTH = Truth(np.array([True, True, True, False, False, False]), ["a", "a", "b", "a", "a", "b"], 0.5)


def test_compare_gives_the_reference_no_change() -> None:
    report = drift.compare(REFERENCE, TRUTH, None)
    assert report.change is None
    assert (report.auc.value, report.specificity) == (1.0, 1.0)
    assert report.sensitivity == pytest.approx(2 / 3)


def test_compare_finds_no_change_in_the_same_scores() -> None:
    change = drift.compare(REFERENCE, TRUTH, REFERENCE).change
    assert change is not None
    assert (change.auc.value, change.flips, change.largest, change.mean) == (0.0, 0, 0.0, 0.0)


def test_compare_counts_flips_both_ways_and_measures_changes() -> None:
    moved = REFERENCE + np.array([0, -0.4, 0.1, 0, 0, 0])
    change = drift.compare(moved, TRUTH, REFERENCE).change
    assert change is not None
    assert change.flips == 2
    assert change.largest == pytest.approx(0.4)
    assert change.mean == pytest.approx(0.5 / 6)


def test_compare_subtracts_the_reference_auc() -> None:
    change = drift.compare(1 - REFERENCE, TRUTH, REFERENCE).change
    assert change is not None
    assert change.auc.value == -1.0


def test_compare_reports_sources_with_two_films_of_each_class() -> None:
    within = drift.compare(REFERENCE, TRUTH, None).within_source
    assert list(within) == ["a"]
    assert (within["a"].positive_films, within["a"].negative_films) == (2, 2)


def test_compare_refuses_scores_that_are_not_finite() -> None:
    broken = REFERENCE.copy()
    broken[0] = np.nan
    with pytest.raises(DataError, match="NaN"):
        drift.compare(broken, TRUTH, REFERENCE)
