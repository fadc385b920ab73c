"""Figures of an artifact against the reference."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cxr_edge.benchmarks.drift import drift, gallery
from cxr_edge.benchmarks.drift.drift import Truth
from cxr_edge.benchmarks.drift.predictions import Answers
from cxr_edge.benchmarks.result.bench_result import BenchOptions
from cxr_edge.benchmarks.result.drift_result import Change, DriftReport
from cxr_edge.errors import DataError

POSITIVE = np.array([True, True, True, False, False, False])
REFERENCE = np.array([0.9, 0.8, 0.45, 0.4, 0.3, 0.1])
TRUTH = Truth(POSITIVE, ["a", "a", "b", "a", "a", "b"], 0.5, POSITIVE, "test")
NAME = "model_float32.tflite"


def _answers(scores: Any, **extras: npt.NDArray[np.float64]) -> Answers:
    values = np.asarray(scores, dtype=np.float64)
    return Answers(values, values, dict(extras))


def _compare(scores: Any, reference: Any = None, truth: Truth = TRUTH) -> DriftReport:
    before = None if reference is None else _answers(reference)
    return drift.compare(_answers(scores), truth, BenchOptions(), before, None)


def _change(scores: Any, reference: Any = REFERENCE) -> Change:
    change = _compare(scores, reference).change
    assert change is not None
    return change


def test_compare_gives_the_reference_no_change() -> None:
    report = _compare(REFERENCE)
    assert report.change is None
    assert (report.auc.value, report.specificity) == (1.0, 1.0)
    assert report.sensitivity == pytest.approx(2 / 3)


def test_compare_finds_no_change_in_the_same_scores() -> None:
    change = _change(REFERENCE)
    assert (change.auc.value, change.flips.count, change.largest, change.mean) == (0.0, 0, 0.0, 0.0)


def test_compare_counts_flips_by_their_direction_and_by_their_truth() -> None:
    # One positive film is lost, one is found, and one negative film is called positive.
    flips = _change(REFERENCE + np.array([0, -0.4, 0.1, 0.2, 0, 0])).flips
    assert (flips.count, flips.to_positive, flips.to_negative) == (3, 2, 1)
    assert (flips.corrected, flips.spoiled) == (1, 2)
    assert (flips.p_calls, flips.p_correct) == (1.0, 1.0)


def test_compare_measures_changes_of_the_probability_and_of_the_rates() -> None:
    change = _change(REFERENCE + np.array([0, -0.4, 0, 0, 0, 0]))
    assert change.largest == pytest.approx(0.4)
    assert change.mean == pytest.approx(0.4 / 6)
    assert (change.sensitivity, change.specificity) == pytest.approx((-1 / 3, 0.0))


def test_compare_subtracts_the_reference_auc() -> None:
    assert _change(1 - REFERENCE).auc.value == -1.0


def test_compare_gives_a_source_of_both_classes_its_auc_and_change() -> None:
    sources = _compare(1 - REFERENCE, REFERENCE).sources
    assert (sources["a"].positive_films, sources["a"].negative_films) == (2, 2)
    assert sources["a"].auc is not None
    assert sources["a"].change is not None
    assert (sources["a"].auc.value, sources["a"].change.value, sources["a"].flips) == (0.0, -1.0, 4)


def test_compare_gives_a_source_of_one_class_its_rate_alone() -> None:
    truth = dataclasses.replace(TRUTH, sources=["a", "a", "a", "b", "b", "b"])
    sources = _compare(REFERENCE, REFERENCE, truth).sources
    assert (sources["a"].auc, sources["a"].specificity, sources["b"].sensitivity) == (None, None, None)
    assert sources["a"].sensitivity == pytest.approx(2 / 3)
    assert sources["b"].specificity == 1.0


def test_compare_fits_the_operating_point_anew_on_the_films_for_that() -> None:
    truth = dataclasses.replace(TRUTH, fit_positive=np.array([True, False]), fit_split="val")
    halved = Answers(REFERENCE / 2, np.array([0.32, 0.1]))
    found = drift.compare(halved, truth, BenchOptions(), None, None)
    assert found.sensitivity == 0.0
    assert found.transfer.fitted_on == "val"
    assert found.transfer.threshold == pytest.approx(0.21)
    assert (found.transfer.sensitivity, found.transfer.specificity) == (1.0, 1.0)


def test_compare_refuses_scores_that_are_not_finite() -> None:
    broken = REFERENCE.copy()
    broken[0] = np.nan
    with pytest.raises(DataError, match="NaN"):
        _compare(broken, REFERENCE)


def _map(cell: int) -> npt.NDArray[np.float64]:
    heat = np.zeros(49)
    heat[cell] = 1.0
    return heat


def test_compare_says_whether_heat_maps_lie_on_the_lesions() -> None:
    covers = [_map(0) / 2, _map(1) / 2, _map(2), None, None, None]
    truth = dataclasses.replace(TRUTH, covers=covers)
    before = _answers(REFERENCE, heatmap=np.stack([_map(0), _map(1), _map(9), *[_map(5)] * 3]))
    after = _answers(REFERENCE, heatmap=np.stack([_map(0), _map(9), _map(2), *[_map(5)] * 3]))
    found = drift.compare(after, truth, BenchOptions(), before, (NAME, before)).localisation
    assert found is not None
    assert (found.films, found.hits_lost, found.hits_gained) == (3, 1, 1)
    assert found.hit_rate.value == pytest.approx(2 / 3)
    assert found.energy == pytest.approx((0.5 + 0 + 1) / 3)
    assert (found.chance_hit_rate, found.chance_energy) == pytest.approx((1 / 49, 2 / 3 / 49))
    assert found.energy_change is not None
    assert found.energy_change.value == pytest.approx((0 - 0.5 + 1) / 3)


def test_compare_leaves_heat_maps_out_where_no_lesion_is_known() -> None:
    answers = _answers(REFERENCE, heatmap=np.stack([_map(0)] * 6))
    assert drift.compare(answers, TRUTH, BenchOptions(), None, (NAME, answers)).localisation is None


def test_compare_counts_films_unlike_the_training_films() -> None:
    truth = dataclasses.replace(TRUTH, typicality_limit=1.0)
    before = _answers(REFERENCE, typicality=np.array([[0.5], [0.5], [2.0], [0.5], [0.5], [0.5]]))
    after = _answers(REFERENCE, typicality=np.array([[0.5], [2.0], [0.5], [2.0], [0.5], [0.5]]))
    found = drift.compare(after, truth, BenchOptions(), before, (NAME, before)).typicality
    assert found is not None
    assert (found.untypical, found.flips, found.reference) == (2, 3, NAME)


IDS = list("abcdef")


def test_gallery_shows_flips_by_how_far_they_lie_beyond_the_threshold() -> None:
    answers = {
        NAME: _answers(REFERENCE),
        "one": _answers(REFERENCE + np.array([0, -0.4, 0, 0.3, 0, 0])),
        "two": _answers(REFERENCE + np.array([0, 0, 0, 0.45, 0, 0])),
    }
    shown = gallery.choose(answers, NAME, TRUTH, IDS, size=2)
    assert [entry.film for entry in shown] == ["d", "b"]
    assert [entry.margin for entry in shown] == pytest.approx([0.35, 0.1])


def test_gallery_goes_on_with_the_films_that_came_nearest() -> None:
    shown = gallery.choose({NAME: _answers(REFERENCE), "one": _answers(REFERENCE)}, NAME, TRUTH, IDS, size=3)
    assert [entry.film for entry in shown] == ["c", "d", "e"]
    assert [entry.margin for entry in shown] == pytest.approx([-0.05, -0.1, -0.2])


def test_gallery_is_empty_where_there_is_nothing_to_compare() -> None:
    assert gallery.choose({NAME: _answers(REFERENCE)}, NAME, TRUTH, IDS) == ()
