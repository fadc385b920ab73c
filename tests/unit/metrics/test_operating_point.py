"""Operating points against a search over every threshold there is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cxr_edge.metrics.confusion import Confusion, confuse
from cxr_edge.metrics.operating_point import logits, sensitivity_threshold, steady_threshold, youden_threshold
from tests.support.scores import draw


@pytest.mark.parametrize("seed", range(3))
def test_youden_threshold_is_better_than_every_other(seed: int) -> None:
    scores, _, positive = draw(seed)
    scores = 1 / (1 + np.exp(-scores))
    rates = [confuse(scores, positive, cut) for cut in (*scores, youden_threshold(scores, positive))]
    gains = [rate.sensitivity + rate.specificity for rate in rates]

    assert gains[-1] == pytest.approx(max(gains))


def test_youden_threshold_lies_in_the_middle_of_the_gap() -> None:
    found = youden_threshold(np.array([0.1, 0.3, 0.7, 0.9]), np.array([False, False, True, True]))

    assert found == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(5))
def test_steady_threshold_is_the_widest_gap_that_is_as_good_as_the_best(seed: int) -> None:
    scores, _, positive = draw(seed)
    scores = 1 / (1 + np.exp(-scores))
    chosen = steady_threshold(scores, positive)

    def index(cut: float) -> float:
        rates = confuse(scores, positive, cut)
        return rates.sensitivity + rates.specificity - 1

    def gap(cut: float) -> float:
        return float(logits(scores[scores >= cut]).min() - logits(scores[scores < cut]).max())

    best = confuse(scores, positive, youden_threshold(scores, positive))
    error = math.sqrt(
        best.sensitivity * (1 - best.sensitivity) / positive.sum()
        + best.specificity * (1 - best.specificity) / (~positive).sum()
    )
    least = best.sensitivity + best.specificity - 1 - error
    cuts = [cut for cut in scores if cut > scores.min() and index(cut) >= least]

    assert index(chosen) >= least
    assert len(cuts) > 2
    assert gap(chosen) == pytest.approx(max(map(gap, cuts)))
    assert gap(chosen) > gap(youden_threshold(scores, positive))


def test_steady_threshold_lies_in_the_middle_between_logits() -> None:
    scores = 1 / (1 + np.exp(-np.array([-3.0, -2.0, 4.0, 5.0])))

    found = steady_threshold(scores, np.array([False, False, True, True]))

    assert found == pytest.approx(1 / (1 + math.exp(-1.0)))


def test_steady_threshold_does_not_leave_a_point_that_is_better_beyond_chance() -> None:
    # The gap below 0.5 is the widest by far, but calls a third of the negatives.
    scores = np.concatenate([np.full(100, 0.01), np.full(50, 0.6), np.full(150, 0.7)])
    positive = np.arange(300) >= 150

    assert 0.6 < steady_threshold(scores, positive) < 0.7


@pytest.mark.parametrize("near", [0.0, 0.5, 1.0])
def test_steady_threshold_parts_float32_scores_that_have_none_between_them(near: float) -> None:
    low = np.float32(near) if near < 1 else np.nextafter(np.float32(1), np.float32(0))
    scores = np.array([low, np.nextafter(low, np.float32(2))])
    positive = np.array([False, True])

    assert confuse(scores, positive, steady_threshold(scores, positive)) == Confusion(1, 0, 1, 0)


@pytest.mark.parametrize("cut", [youden_threshold, steady_threshold])
@pytest.mark.parametrize(
    ("scores", "positive"),
    # The best is to call none of these positive, and then all of them.
    [([0.9, 0.8, 0.2, 0.1], [False, False, True, True]), ([0.5, 0.5, 0.5], [True, True, False])],
)
def test_a_threshold_is_a_probability_where_no_cut_is_better_than_chance(
    cut: Any, scores: list[float], positive: list[bool]
) -> None:
    assert cut(np.array(scores), np.array(positive)) == 1.0


def test_a_sensitivity_of_1_calls_every_positive() -> None:
    scores, _, positive = draw(0)
    scores = 1 / (1 + np.exp(-scores))
    threshold = sensitivity_threshold(scores, positive, 1.0)
    assert confuse(scores, positive, threshold).sensitivity == 1.0
