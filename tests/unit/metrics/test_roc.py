"""AUC and DeLong against the definition, counted pair by pair, and against published figures."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cxr_edge.errors import DataError
from cxr_edge.metrics.intervals import Interval
from cxr_edge.metrics.operating_point import steady_threshold, youden_threshold
from cxr_edge.metrics.roc import auc, auc_change, auc_interval, roc_curve
from tests.support.scores import draw

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


@pytest.mark.parametrize("figure", [auc, auc_interval, roc_curve, steady_threshold, youden_threshold])
def test_figures_need_both_classes(figure: Any) -> None:
    with pytest.raises(DataError, match="3 positive and 0 negative films"):
        figure(np.array([0.1, 0.2, 0.3]), np.array([True, True, True]))


@pytest.mark.parametrize("figure", [auc, auc_interval, roc_curve, steady_threshold, youden_threshold])
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_figures_refuse_scores_that_are_not_finite(figure: Any, broken: float) -> None:
    with pytest.raises(DataError, match="NaN or infinity"):
        figure(np.array([0.1, broken, 0.3, 0.4]), np.array([True, True, False, False]))


def test_intervals_need_two_films_of_each_class() -> None:
    scores, positive = np.array([0.1, 0.2, 0.3]), np.array([True, False, False])

    with pytest.raises(DataError, match="needs at least 2 of each"):
        auc_interval(scores, positive)
    with pytest.raises(DataError, match="needs at least 2 of each"):
        auc_change(scores, scores, positive)


def test_auc_of_no_films_is_a_data_error() -> None:
    with pytest.raises(DataError, match="0 positive and 0 negative films"):
        auc(np.zeros(0), np.zeros(0, np.bool_))
