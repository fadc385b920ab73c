"""AUC and DeLong against the definition, counted pair by pair, and against published figures."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cxr_edge.errors import DataError
from cxr_edge.metrics.roc import (
    Confusion,
    Interval,
    auc,
    auc_change,
    auc_interval,
    confuse,
    logits,
    roc_curve,
    steady_threshold,
    summarise,
    youden_threshold,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# The 43 complete records of DeLong, DeLong & Clarke-Pearson 1988: albumin, total protein, K-G score, and whether
# surgery helped. A low K-G score is good, so the paper's comparison takes 10 minus it.
# fmt: off
SURGERY = np.array(
    [
        (3.0, 5.8, 10, 0), (3.2, 6.3, 5, 1), (3.9, 6.8, 3, 1), (2.8, 4.8, 6, 0), (3.2, 5.8, 3, 1),
        (0.9, 4.0, 5, 0), (2.5, 5.7, 8, 0), (1.6, 5.6, 5, 1), (3.8, 5.7, 5, 1), (3.7, 6.7, 6, 1),
        (3.2, 5.4, 4, 1), (3.8, 6.6, 6, 1), (4.1, 6.6, 5, 1), (3.6, 5.7, 5, 1), (4.3, 7.0, 4, 1),
        (3.6, 6.7, 4, 0), (2.3, 4.4, 6, 1), (4.2, 7.6, 4, 0), (4.0, 6.6, 6, 0), (3.5, 5.8, 6, 1),
        (3.8, 6.8, 7, 1), (3.0, 4.7, 8, 0), (4.5, 7.4, 5, 1), (3.7, 7.4, 5, 1), (3.1, 6.6, 6, 1),
        (4.1, 8.2, 6, 1), (4.3, 7.0, 5, 1), (4.3, 6.5, 4, 1), (3.2, 5.1, 5, 1), (2.6, 4.7, 6, 1),
        (3.3, 6.8, 6, 0), (1.7, 4.0, 7, 0), (3.7, 6.1, 5, 1), (3.3, 6.3, 7, 1), (4.2, 7.7, 6, 1),
        (3.5, 6.2, 5, 1), (2.9, 5.7, 9, 0), (2.1, 4.8, 7, 1), (2.8, 6.2, 8, 0), (4.0, 7.0, 7, 1),
        (3.3, 5.7, 6, 1), (3.7, 6.9, 5, 1), (3.6, 6.6, 5, 1),
    ]
)
# fmt: on
HELPED = SURGERY[:, 3] == 1
ALBUMIN, PROTEIN, SCORE = SURGERY[:, 0], SURGERY[:, 1], 10 - SURGERY[:, 2]

# Hanley & McNeil 1982: how sure a reader was, from 1 to 5, that each of 109 CT pictures is abnormal.
NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
RATINGS = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0] * 2, [*NORMAL, *ABNORMAL])
ABNORMAL_FILMS = np.repeat([False, True], [sum(NORMAL), sum(ABNORMAL)])


def count_wins(scores: Floats, positive: Bools) -> Floats:
    """Return who wins of every pair of a positive (row) and a negative (column): 1, 0, or a half for a tie."""
    return np.array([[(a > b) + 0.5 * (a == b) for b in scores[~positive]] for a in scores[positive]])


def count_variance(wins: Floats) -> float:
    """Return DeLong's variance of the mean of `wins` from its structural components, by the definition."""
    rows, columns = wins.mean(axis=1), wins.mean(axis=0)
    of_rows = sum((row - wins.mean()) ** 2 for row in rows) / (len(rows) - 1)
    of_columns = sum((column - wins.mean()) ** 2 for column in columns) / (len(columns) - 1)
    return float(of_rows / len(rows) + of_columns / len(columns))


def draw(seed: int, *, ties: bool = False) -> tuple[Floats, Floats, Bools]:
    """Return two correlated scores of some films and which of these are positive."""
    rng = np.random.default_rng(seed)
    positive = rng.permutation(np.arange(37) < 14)
    common = rng.normal(size=37) + positive
    first, second = (common + 0.6 * rng.normal(size=37) for _ in range(2))
    return (first.round(), second.round(), positive) if ties else (first, second, positive)


def error_of(interval: Interval) -> float:
    return (interval.high - interval.low) / 2 / NormalDist().inv_cdf(0.975)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_auc_is_the_share_of_pairs_in_order(seed: int, ties: bool) -> None:
    scores, _, positive = draw(seed, ties=ties)

    assert auc(scores, positive) == pytest.approx(count_wins(scores, positive).mean(), abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_auc_interval_has_the_variance_of_the_definition(seed: int, ties: bool) -> None:
    scores, _, positive = draw(seed, ties=ties)

    assert error_of(auc_interval(scores, positive)) ** 2 == pytest.approx(
        count_variance(count_wins(scores, positive)), rel=1e-9
    )


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_auc_change_has_the_variance_of_the_definition(seed: int, ties: bool) -> None:
    first, second, positive = draw(seed, ties=ties)
    gains = count_wins(second, positive) - count_wins(first, positive)
    interval = auc_change(first, second, positive)

    assert interval.value == pytest.approx(auc(second, positive) - auc(first, positive), abs=1e-12)
    assert error_of(interval) ** 2 == pytest.approx(count_variance(gains), rel=1e-9)


@pytest.mark.parametrize(
    ("scores", "published"),
    [
        (ALBUMIN, (0.7366, 0.0927, 0.5549, 0.9182)),
        (PROTEIN, (0.6478, 0.1000, 0.4518, 0.8439)),
        (SCORE, (0.7258, 0.1028, 0.5243, 0.9273)),
    ],
)
def test_auc_interval_gives_the_figures_published_for_delongs_own_data(
    scores: Floats, published: tuple[float, ...]
) -> None:
    found = auc_interval(scores, HELPED)

    assert (found.value, error_of(found), found.low, found.high) == pytest.approx(published, abs=5e-5)


def test_auc_interval_gives_the_figures_published_for_tied_ratings() -> None:
    found = auc_interval(RATINGS, ABNORMAL_FILMS)

    assert (found.value, error_of(found)) == pytest.approx((0.8932, 0.0307), abs=5e-5)
    assert (found.low, found.high) == pytest.approx((0.83295, 0.95339), abs=5e-6)


@pytest.mark.parametrize(
    ("scores", "published"),
    [(ALBUMIN, (0.0108, 0.0953, -0.1761, 0.1976)), (PROTEIN, (-0.0780, 0.1046, -0.2830, 0.1271))],
)
def test_auc_change_gives_the_figures_published_for_delongs_own_data(
    scores: Floats, published: tuple[float, ...]
) -> None:
    found = auc_change(SCORE, scores, HELPED)

    assert (found.value, error_of(found), found.low, found.high) == pytest.approx(published, abs=5e-5)


def test_auc_change_of_the_same_scores_is_nothing_at_all() -> None:
    scores, _, positive = draw(0)

    assert auc_change(scores, scores, positive) == Interval(0.0, 0.0, 0.0)


def test_auc_change_turns_its_sign_with_its_arguments() -> None:
    first, second, positive = draw(1)
    forth, back = auc_change(first, second, positive), auc_change(second, first, positive)

    assert (back.value, back.low, back.high) == pytest.approx((-forth.value, -forth.high, -forth.low))


def test_auc_interval_widens_with_its_level() -> None:
    scores, _, positive = draw(2)
    narrow, wide = (auc_interval(scores, positive, level=level) for level in (0.9, 0.99))

    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_auc_interval_stays_within_0_and_1() -> None:
    positive = np.array([True, True, True, False, False, False])
    interval = auc_interval(np.array([0.9, 0.8, 0.4, 0.5, 0.2, 0.1]), positive)

    assert interval.high == 1.0
    assert interval.value - interval.low > 1.0 - interval.value


@pytest.mark.parametrize(
    ("scores", "wanted"),
    [([0.1, 0.2, 0.8, 0.9], 1.0), ([0.9, 0.8, 0.2, 0.1], 0.0), ([0.5, 0.5, 0.5, 0.5], 0.5)],
)
def test_auc_of_the_best_the_worst_and_the_mute_classifier(scores: list[float], wanted: float) -> None:
    assert auc(np.array(scores), np.array([False, False, True, True])) == wanted


def test_interval_reads_as_a_figure_with_its_limits() -> None:
    assert str(Interval(0.97312, 0.951, 0.99496)) == "0.973 (0.951 to 0.995)"


def test_roc_curve_steps_once_for_tied_scores() -> None:
    false, true, thresholds = roc_curve(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))

    assert false.tolist() == [0.0, 0.0, 0.5, 1.0]
    assert true.tolist() == [0.0, 0.5, 1.0, 1.0]
    assert thresholds.tolist() == [np.inf, 0.9, 0.5, 0.1]


@pytest.mark.parametrize("seed", range(3))
def test_roc_curve_encloses_the_auc(seed: int) -> None:
    scores, _, positive = draw(seed, ties=True)
    false, true, _ = roc_curve(scores, positive)

    assert np.diff(false) @ (true[1:] + true[:-1]) / 2 == pytest.approx(auc(scores, positive))


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


def test_confuse_calls_a_score_at_the_threshold_positive() -> None:
    scores, positive = np.array([0.5, 0.4, 0.5, 0.9]), np.array([True, True, False, False])

    assert confuse(scores, positive, 0.5) == Confusion(1, 2, 0, 1)


def test_confuse_gives_the_rates_of_its_counts() -> None:
    found = Confusion(true_positive=30, false_positive=10, true_negative=40, false_negative=20)

    assert (found.sensitivity, found.specificity, found.accuracy) == (0.6, 0.8, 0.7)


def test_confuse_tells_float32_scores_apart_that_have_none_between_them() -> None:
    low = np.float32(0.5)
    scores = np.array([low, np.nextafter(low, np.float32(1))])
    positive = np.array([False, True])

    assert confuse(scores, positive, youden_threshold(scores, positive)) == Confusion(1, 0, 1, 0)


@pytest.mark.parametrize("figure", [auc, auc_interval, roc_curve, steady_threshold, youden_threshold])
def test_figures_need_both_classes(figure: Any) -> None:
    with pytest.raises(DataError, match="3 positive and 0 negative films"):
        figure(np.array([0.1, 0.2, 0.3]), np.array([True, True, True]))


@pytest.mark.parametrize("figure", [auc, auc_interval, roc_curve, steady_threshold, youden_threshold])
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_figures_refuse_scores_that_are_not_finite(figure: Any, broken: float) -> None:
    with pytest.raises(DataError, match="NaN or infinity"):
        figure(np.array([0.1, broken, 0.3, 0.4]), np.array([True, True, False, False]))


def test_confuse_refuses_nan_which_would_pass_for_a_negative() -> None:
    with pytest.raises(DataError, match="NaN"):
        confuse(np.array([0.1, np.nan]), np.array([True, False]), 0.5)


def test_intervals_need_two_films_of_each_class() -> None:
    scores, positive = np.array([0.1, 0.2, 0.3]), np.array([True, False, False])

    with pytest.raises(DataError, match="needs at least 2 of each"):
        auc_interval(scores, positive)
    with pytest.raises(DataError, match="needs at least 2 of each"):
        auc_change(scores, scores, positive)


def test_auc_of_no_films_is_a_data_error() -> None:
    with pytest.raises(DataError, match="0 positive and 0 negative films"):
        auc(np.zeros(0), np.zeros(0, np.bool_))


def test_summarise_gives_figures_within_sources_that_hold_both_classes() -> None:
    scores = np.array([0.9, 0.8, 0.3, 0.2, 0.6, 0.7])
    positive = np.array([True, True, False, False, True, True])
    found = summarise(scores, positive, ["a", "a", "a", "a", "b", "b"], 0.65)

    assert list(found["within_source"]) == ["a"]
    assert (found["auc"], found["within_source"]["a"]["auc"]) == (1.0, 1.0)
    assert (found["sensitivity"], found["specificity"], found["threshold"]) == (0.75, 1.0, 0.65)
    assert (found["positive_films"], found["negative_films"]) == (4, 2)
