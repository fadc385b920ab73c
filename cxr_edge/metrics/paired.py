"""What a change of a few films' calls is worth: exact tests, calibration, bootstrap intervals. numpy only.

Everywhere `scores` and `reference` are (n,) probabilities of the positive class on the same films and `positive` is
(n,) bool. AUC and its DeLong intervals are in `roc`. Films are drawn within their
class, so that every draw has as many of each as the set, and for both models alike, so that a change is paired (Robin
et al. 2011, as pROC draws); intervals are percentiles of the draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from cxr_edge.metrics.confusion import Bools, Floats
from cxr_edge.metrics.intervals import Interval

__all__ = [
    "CALIBRATION_BINS",
    "brier",
    "brier_change",
    "calibration_error",
    "change_interval",
    "count_ties",
    "fixed_specificity",
    "interval",
    "mcnemar",
    "ratio_over_turns",
    "roc_band",
]

CALIBRATION_BINS = 10

# (draws, n) scores and (n,) positive to one figure a draw, (draws,) or (draws, m).
Statistic = Callable[[Floats, Bools], Floats]

_LEVEL = 0.95
_DRAWS = 2000
_CHUNK = 1 << 20
"""How many scores are drawn at a time, which bounds memory."""


def mcnemar(lost: int, gained: int) -> float:
    """Return the two-sided p of McNemar's exact test, for so many films that changed one way and the other.

    Twice the smaller tail of the binomial distribution of one half (McNemar 1947; Fagerland, Lydersen & Laake 2013).
    """
    total = lost + gained
    tail = term = 1
    for count in range(1, min(lost, gained) + 1):
        term = term * (total - count + 1) // count
        tail += term
    # Whole numbers throughout: 2**-total is below what a float holds from 1,075 films on.
    return float(min(1.0, 2 * tail / 2**total))


def brier(scores: Floats, positive: Bools) -> float:
    """Return the mean squared distance of the probabilities from the truth (Brier 1950)."""
    return float(np.mean((scores - positive) ** 2))


def brier_change(reference: Floats, scores: Floats, positive: Bools) -> Interval:
    """Return brier(scores) - brier(reference) with the normal interval of a mean of paired differences."""
    change = (scores - positive) ** 2 - (reference - positive) ** 2
    reach = NormalDist().inv_cdf(0.5 + _LEVEL / 2) * float(change.std(ddof=1)) / math.sqrt(len(change))
    value = float(change.mean())
    return Interval(value, value - reach, value + reach)


def count_ties(scores: Floats, positive: Bools) -> tuple[int, float]:
    """Return how many different scores there are, and the part of positive-negative pairs that share one.

    Such a pair counts half in an AUC, and no threshold can tell its films apart.
    """
    values, index = np.unique(scores, return_inverse=True)
    of_positive = np.bincount(index[positive], minlength=len(values))
    of_negative = np.bincount(index[~positive], minlength=len(values))
    pairs = int(positive.sum()) * int((~positive).sum())
    return len(values), float(of_positive @ of_negative) / pairs


def fixed_specificity(specificity: float) -> Statistic:
    """Return the statistic "sensitivity at this specificity", 0 < specificity <= 1.

    The threshold is the lowest that calls at least this part of the drawn negatives negative; nothing is interpolated.
    """

    def sensitivities(scores: Floats, positive: Bools) -> Floats:
        own, other = scores[:, positive], scores[:, ~positive]
        rank = _rank_of(specificity, other.shape[1])
        bar = np.partition(other, rank, axis=1)[:, rank]
        found: Floats = (own > bar[:, None]).mean(axis=1)
        return found

    return sensitivities


def calibration_error(scores: Floats, positive: Bools) -> Floats:
    """Return the expected calibration error of each row of (draws, n) scores, in 10 bins of equal mass.

    The mean, over all films, of |mean score - part that is positive| in the film's bin (Naeini, Cooper & Hauskrecht
    2015; equal mass as in Nixon et al. 2019). Bins end at the deciles, so that tied scores are never parted. With few
    films it is above 0 for the best of models.
    """
    draws, films = scores.shape
    edges = np.quantile(scores, np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1], axis=1)
    bins = (scores[None] > edges[:, :, None]).sum(axis=0) + CALIBRATION_BINS * np.arange(draws)[:, None]
    gaps = np.bincount(bins.ravel(), (scores - positive).ravel(), minlength=draws * CALIBRATION_BINS)
    error: Floats = np.abs(gaps).reshape(draws, CALIBRATION_BINS).sum(axis=1) / films
    return error


def interval(statistic: Statistic, scores: Floats, positive: Bools, *, draws: int = _DRAWS, seed: int = 0) -> Interval:
    """Return the statistic of the scores with its bootstrap interval."""
    (drawn,) = _resample(statistic, [scores], positive, draws, seed)
    return _percentiles(_value_of(statistic, scores, positive), drawn)


def change_interval(
    statistic: Statistic, reference: Floats, scores: Floats, positive: Bools, *, draws: int = _DRAWS, seed: int = 0
) -> Interval:
    """Return statistic(scores) - statistic(reference) with its paired bootstrap interval."""
    change = _value_of(statistic, scores, positive) - _value_of(statistic, reference, positive)
    before, after = _resample(statistic, [reference, scores], positive, draws, seed)
    return _percentiles(change, after - before)


def roc_band(
    scores: Floats, positive: Bools, false_rates: Sequence[float], *, draws: int = 500, seed: int = 0
) -> tuple[Floats, Floats]:
    """Return the lower and upper limit of the sensitivity at each false positive rate, pointwise, (m,) each."""

    def sensitivities(values: Floats, truth: Bools) -> Floats:
        own, other = np.sort(values[:, truth], axis=1), np.sort(values[:, ~truth], axis=1)
        bars = other[:, [_rank_of(1 - rate, other.shape[1]) for rate in false_rates]]
        below = np.stack([np.searchsorted(row, bar, side="right") for row, bar in zip(own, bars, strict=True)])
        found: Floats = 1 - below / own.shape[1]
        return found

    (drawn,) = _resample(sensitivities, [scores], positive, draws, seed)
    low, high = np.percentile(drawn, _tails(), axis=0)
    return low, high


def ratio_over_turns(
    first_ms: Sequence[Sequence[float]], second_ms: Sequence[Sequence[float]], percentile: float = 50, *, seed: int = 0
) -> Interval | None:
    """Return the ratio of a percentile of the second runs to that of the first; None under 2 turns of either.

    The bootstrap is over turns and not over runs, for runs of one process are more alike than those of two. Its
    percentiles are taken further out, by Student's t, since few turns know little of their spread (Hesterberg 2015);
    with 4 turns that is about the whole range of the draws.
    """
    least = min(len(first_ms), len(second_ms))
    if least < 2:
        return None
    random = np.random.default_rng(seed)
    # The first turns are drawn before the second, so that a seed gives the same draws as ever.
    first = _draw_turns(first_ms, percentile, random)
    second = _draw_turns(second_ms, percentile, random)
    value = _percentile_of_all(second_ms, percentile) / _percentile_of_all(first_ms, percentile)
    low, high = np.percentile(second / first, _expanded_tails(least))
    return Interval(value, min(float(low), value), max(float(high), value))


def _value_of(statistic: Statistic, scores: Floats, positive: Bools) -> float:
    return float(statistic(scores[None].astype(np.float64), positive)[0])


def _percentile_of_all(turns_ms: Sequence[Sequence[float]], percentile: float) -> float:
    return float(np.percentile(np.concatenate([np.asarray(turn) for turn in turns_ms]), percentile))


def _rank_of(specificity: float, negatives: int) -> int:
    """Return the place, by rank, of the highest negative that must stay below the threshold."""
    # A hair less, or 0.9 of 150 would be 136 films by the error of a float.
    return min(max(math.ceil(specificity * negatives - 1e-9), 1), negatives) - 1


def _resample(statistic: Statistic, sets: Sequence[Floats], positive: Bools, draws: int, seed: int) -> Iterator[Floats]:
    """Yield, for each set of scores, the statistic of every draw; the draws are the same for all sets."""
    # The films of a draw stand positives first, so one mask is the truth of all draws.
    truth = np.arange(len(positive)) < positive.sum()
    for scores in sets:
        values = scores.astype(np.float64)
        yield np.concatenate([statistic(values[chosen], truth) for chosen in _draw_films(positive, draws, seed)])


def _draw_films(positive: Bools, draws: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    classes = np.flatnonzero(positive), np.flatnonzero(~positive)
    step = max(_CHUNK // len(positive), 1)
    for start in range(0, draws, step):
        count = min(step, draws - start)
        yield np.hstack([rows[random.integers(len(rows), size=(count, len(rows)))] for rows in classes])


def _percentiles(value: float, drawn: Floats) -> Interval:
    low, high = np.percentile(drawn, _tails())
    # Where the statistic is biased, as a calibration error is, the draws may all lie to one side of the value.
    return Interval(value, min(float(low), value), max(float(high), value))


def _tails() -> tuple[float, float]:
    return 50 * (1 - _LEVEL), 50 * (1 + _LEVEL)


def _draw_turns(turns_ms: Sequence[Sequence[float]], percentile: float, random: np.random.Generator) -> Floats:
    each = np.array([np.percentile(turn, percentile) for turn in turns_ms])
    drawn: Floats = np.median(each[random.integers(len(each), size=(_DRAWS, len(each)))], axis=1)
    return drawn


def _expanded_tails(turns: int) -> tuple[float, float]:
    reach = math.sqrt(turns / (turns - 1)) * _student(turns - 1)
    tail = 100 * NormalDist().cdf(-reach)
    return tail, 100 - tail


def _student(freedom: int) -> float:
    """Return the two-sided 95 % point of Student's t (Abramowitz & Stegun 1964, 26.7.5; within 1 % from 3 on)."""
    z = NormalDist().inv_cdf(0.5 + _LEVEL / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + math.fsum(term / freedom ** (power + 1) for power, term in enumerate(terms))
