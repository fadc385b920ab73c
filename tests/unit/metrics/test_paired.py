"""Every statistic against an independent implementation: SciPy, scikit-learn, or a published example."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats as scipy_stats
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from cxr_edge.metrics import intervals, paired

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def _films(seed: int, films: int = 300, *, levels: int | None = None) -> tuple[Bools, Floats, Floats]:
    """Return a truth and the scores of two models that agree for the most part; `levels` makes them tie."""
    random = np.random.default_rng(seed)
    positive = random.random(films) < 0.4
    first = random.normal(np.where(positive, 1.2, 0.0), 1.0)
    second = first + random.normal(0.0, 0.5, films)
    scores = [1 / (1 + np.exp(-values)) for values in (first, second)]
    if levels is not None:
        scores = [np.round(values * levels) / levels for values in scores]
    return positive, scores[0], scores[1]


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (0, 1), (9, 4), (8, 8), (1, 12), (40, 70), (700, 800)])
def test_mcnemar_is_scipys_binomial_test_of_one_half(lost: int, gained: int) -> None:
    wanted = scipy_stats.binomtest(lost, lost + gained, 0.5).pvalue if lost + gained else 1.0
    assert paired.mcnemar(lost, gained) == pytest.approx(wanted, rel=1e-9)


def test_mcnemar_of_very_many_films_is_near_the_normal_approximation() -> None:
    lost, gained = 5100, 4900
    corrected = (abs(lost - gained) - 1) / np.sqrt(lost + gained)
    assert paired.mcnemar(lost, gained) == pytest.approx(2 * scipy_stats.norm.sf(corrected), rel=1e-3)


@pytest.mark.parametrize(("count", "total"), [(0, 8), (3, 8), (54, 60), (60, 60)])
def test_proportion_is_scipys_wilson_interval(count: int, total: int) -> None:
    wanted = scipy_stats.binomtest(count, total).proportion_ci(method="wilson")
    found = intervals.proportion(count, total)
    assert (found.value, found.low, found.high) == pytest.approx((count / total, wanted.low, wanted.high), abs=1e-9)


@pytest.mark.parametrize("levels", [None, 10])
def test_brier_is_scikit_learns(levels: int | None) -> None:
    positive, scores, _ = _films(1, levels=levels)
    assert paired.brier(scores, positive) == pytest.approx(sklearn_metrics.brier_score_loss(positive, scores))


def test_brier_change_has_the_interval_of_a_paired_mean() -> None:
    positive, first, second = _films(2, films=2000)
    found = paired.brier_change(first, second, positive)
    losses = [(scores - positive) ** 2 for scores in (first, second)]
    wanted = scipy_stats.ttest_rel(losses[1], losses[0]).confidence_interval(0.95)
    # Student's t of 1,999 degrees of freedom is the normal distribution to a thousandth.
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=2e-3)


@pytest.mark.parametrize("levels", [None, 40])
def test_calibration_error_is_that_of_scikit_learns_quantile_bins(levels: int | None) -> None:
    positive, scores, _ = _films(3, levels=levels)
    true, mean = calibration_curve(positive, scores, n_bins=paired.CALIBRATION_BINS, strategy="quantile")
    edges = np.quantile(scores, np.linspace(0, 1, paired.CALIBRATION_BINS + 1))
    counts = np.bincount(np.searchsorted(edges[1:-1], scores), minlength=paired.CALIBRATION_BINS)
    wanted = np.average(np.abs(true - mean), weights=counts[counts > 0])
    assert paired.calibration_error(scores[None], positive)[0] == pytest.approx(wanted)


def test_calibration_error_of_probabilities_that_hold_is_small() -> None:
    random = np.random.default_rng(4)
    scores = random.random(100_000)
    positive = random.random(100_000) < scores
    assert paired.calibration_error(scores[None], positive)[0] < 0.01


@pytest.mark.parametrize("levels", [None, 20])
@pytest.mark.parametrize("specificity", [0.8, 0.9, 1.0])
def test_sensitivity_at_a_specificity_is_the_best_point_of_scikit_learns_roc(
    levels: int | None, specificity: float
) -> None:
    positive, scores, _ = _films(5, levels=levels)
    false, true, _ = sklearn_metrics.roc_curve(positive, scores, drop_intermediate=False)
    wanted = true[false <= 1 - specificity + 1e-12].max()
    assert paired.fixed_specificity(specificity)(scores[None], positive)[0] == pytest.approx(wanted)


def _scipy_bootstrap(statistic: Any, positive: Bools) -> tuple[float, float]:
    """Return SciPy's percentile interval of a statistic of film numbers, drawn within each class."""
    classes = np.flatnonzero(positive), np.flatnonzero(~positive)
    found = scipy_stats.bootstrap(
        classes,
        lambda own, other: statistic(np.concatenate([own, other]).astype(int)),
        n_resamples=4000,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return found.confidence_interval.low, found.confidence_interval.high


def test_bootstrap_interval_is_scipys_within_its_own_noise() -> None:
    positive, scores, _ = _films(6, films=200)
    at = paired.fixed_specificity(0.9)
    wanted = _scipy_bootstrap(lambda rows: at(scores[rows][None], positive[rows])[0], positive)
    found = paired.interval(at, scores, positive, draws=4000)
    assert (found.low, found.high) == pytest.approx(wanted, abs=0.02)


def test_bootstrap_interval_of_a_change_is_paired_as_scipys() -> None:
    positive, first, second = _films(7, films=200)
    at = paired.fixed_specificity(0.9)

    def change(rows: Any) -> float:
        before, after = (float(at(values[rows][None], positive[rows])[0]) for values in (first, second))
        return after - before

    wanted = _scipy_bootstrap(change, positive)
    found = paired.change_interval(at, first, second, positive, draws=4000)
    assert found.value == pytest.approx(change(np.arange(len(positive))))
    assert (found.low, found.high) == pytest.approx(wanted, abs=0.02)


def test_bootstrap_interval_of_a_calibration_change_is_paired_as_scipys() -> None:
    positive, first, second = _films(8, films=200)

    def change(rows: Any) -> float:
        errors = [float(paired.calibration_error(values[rows][None], positive[rows])[0]) for values in (first, second)]
        return errors[1] - errors[0]

    wanted = _scipy_bootstrap(change, positive)
    found = paired.change_interval(paired.calibration_error, first, second, positive, draws=4000)
    assert (found.low, found.high) == pytest.approx(wanted, abs=0.006)


def test_bootstrap_of_a_model_with_itself_finds_no_change() -> None:
    positive, scores, _ = _films(9)
    found = paired.change_interval(paired.fixed_specificity(0.9), scores, scores, positive)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_bootstrap_is_the_same_whatever_part_of_it_fits_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    positive, scores, _ = _films(10)
    whole = paired.interval(paired.fixed_specificity(0.9), scores, positive)
    monkeypatch.setattr(paired, "_CHUNK", 10_000)
    parts = paired.interval(paired.fixed_specificity(0.9), scores, positive)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), abs=0.03)


def test_draws_are_judged_many_at_a_time() -> None:
    # One call of numpy for each of 2,000 draws would take seconds where a thousand draws a call take a tenth of one.
    positive, first, second = _films(11)
    draws: list[int] = []

    def statistic(scores: Any, truth: Bools) -> Any:
        draws.append(len(scores))
        return paired.calibration_error(scores, truth)

    paired.change_interval(statistic, first, second, positive)
    drawn = [count for count in draws if count > 1]
    assert sum(drawn) == 2 * 2000
    assert len(drawn) <= 4


@pytest.mark.parametrize("levels", [None, 10])
def test_count_ties_is_a_count_of_all_pairs(levels: int | None) -> None:
    positive, scores, _ = _films(12, levels=levels)
    distinct, tied = paired.count_ties(scores, positive)
    assert distinct == len(set(scores.tolist()))
    assert tied == pytest.approx(np.mean(scores[positive][:, None] == scores[~positive][None]))


def test_roc_band_holds_the_curve_and_narrows_with_more_films() -> None:
    rates = [0.05, 0.1, 0.3]
    widths = []
    for films in (100, 1600):
        positive, scores, _ = _films(13, films=films)
        low, high = paired.roc_band(scores, positive, rates)
        middle = [paired.fixed_specificity(1 - rate)(scores[None], positive)[0] for rate in rates]
        assert all(low <= middle)
        assert all(middle <= high)
        widths.append(high - low)
    assert all(widths[1] < widths[0] / 2)


@pytest.mark.parametrize("freedom", [3, 4, 7, 15, 100])
def test_student_is_scipys_to_a_hundredth(freedom: int) -> None:
    assert paired._student(freedom) == pytest.approx(scipy_stats.t.ppf(0.975, freedom), rel=0.01)


def _turns(seed: int, *, scale: float = 1.0, turns: int = 4) -> list[list[float]]:
    random = np.random.default_rng(seed)
    return [(scale * random.lognormal(random.normal(2.0, 0.02), 0.05, 50)).tolist() for _ in range(turns)]


def test_ratio_over_turns_finds_a_slowdown_and_not_its_absence() -> None:
    same, slower = (paired.ratio_over_turns(_turns(1), _turns(2, scale=scale)) for scale in (1.0, 1.3))
    assert same is not None
    assert same.low < 1 < same.high
    assert slower is not None
    assert 1.1 < slower.low < slower.value < slower.high < 1.5


def test_ratio_over_turns_covers_the_truth_with_four_turns_though_processes_differ() -> None:
    found = [paired.ratio_over_turns(_turns(seed), _turns(seed + 1000)) for seed in range(200)]
    assert np.mean([item is not None and item.low <= 1 <= item.high for item in found]) > 0.93


def test_ratio_over_turns_needs_two_turns() -> None:
    assert paired.ratio_over_turns(_turns(1, turns=1), _turns(2)) is None
