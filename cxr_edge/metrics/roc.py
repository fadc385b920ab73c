"""Figures of a two-class classifier from its scores: ROC, AUC with DeLong intervals, operating points.

Everywhere `scores` are (n,) probabilities of the positive class and `positive` is (n,) bool.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge.errors import DataError

__all__ = [
    "Confusion",
    "Interval",
    "auc",
    "auc_change",
    "auc_change_variance",
    "auc_interval",
    "confuse",
    "logits",
    "proportion",
    "roc_curve",
    "sensitivity_threshold",
    "steady_threshold",
    "summarise",
    "youden_threshold",
]

# As float32 a softmax rounds to 0 or 1 beyond this.
_LEAST = 1e-7

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence limits."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it as 0.973 (0.951 to 0.995)."""
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Confusion:
    """Counts at a threshold, and the rates that follow from them."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int

    @property
    def sensitivity(self) -> float:
        """The part of the positive films that are called positive."""
        return self.true_positive / (self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float:
        """The part of the negative films that are called negative."""
        return self.true_negative / (self.true_negative + self.false_positive)

    @property
    def accuracy(self) -> float:
        """The part of all films that are called right."""
        right = self.true_positive + self.true_negative
        return right / (right + self.false_positive + self.false_negative)


def auc(scores: Floats, positive: Bools) -> float:
    """Return the area under the ROC curve, ties counting half (Mann-Whitney). Raises DataError without both classes."""
    return float(_placements(scores, positive)[0].mean())


def auc_interval(scores: Floats, positive: Bools, *, level: float = 0.95) -> Interval:
    """Return the AUC with its DeLong confidence interval, cut to [0, 1].

    DeLong, DeLong & Clarke-Pearson 1988, by the midranks of Sun & Xu 2014. Raises DataError under 2 of a class.
    """
    of_positive, of_negative = _placements(scores, positive, least=2)
    variance = of_positive.var(ddof=1) / len(of_positive) + of_negative.var(ddof=1) / len(of_negative)
    return _normal_interval(float(of_positive.mean()), float(variance), level, (0.0, 1.0))


def auc_change(reference: Floats, scores: Floats, positive: Bools, *, level: float = 0.95) -> Interval:
    """Return AUC(scores) - AUC(reference) on the same films with its paired DeLong interval (Sun & Xu 2014, eq. 5).

    Raises DataError under 2 of a class.
    """
    value = auc(scores, positive) - auc(reference, positive)
    return _normal_interval(value, auc_change_variance(reference, scores, positive), level, (-1.0, 1.0))


def auc_change_variance(reference: Floats, scores: Floats, positive: Bools) -> float:
    """Return the paired DeLong variance of AUC(scores) - AUC(reference). Raises DataError under 2 of a class."""
    first, second = (_placements(values, positive, least=2) for values in (reference, scores))
    of_positive, of_negative = second[0] - first[0], second[1] - first[1]
    return float(of_positive.var(ddof=1) / len(of_positive) + of_negative.var(ddof=1) / len(of_negative))


def roc_curve(scores: Floats, positive: Bools) -> tuple[Floats, Floats, Floats]:
    """Return false positive rates, true positive rates and thresholds, from the strictest threshold to the laxest."""
    _check_classes(scores, positive, least=1)
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], positive[order]
    last_of_ties = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    true = np.cumsum(hits)[last_of_ties] / hits.sum()
    false = np.cumsum(~hits)[last_of_ties] / (~hits).sum()
    thresholds = np.append(np.inf, ranked[last_of_ties])
    return np.append(0.0, false), np.append(0.0, true), thresholds


def youden_threshold(scores: Floats, positive: Bools) -> float:
    """Return the threshold with the largest sensitivity + specificity - 1, halfway to the next lower score.

    The middle of the gap keeps the calls of these films when their scores move a little.
    """
    false, true, thresholds = roc_curve(scores, positive)
    return _below(thresholds, int(np.argmax(true - false)))


def steady_threshold(scores: Floats, positive: Bools) -> float:
    """Return the threshold in the widest gap between logits whose Youden index is as good as the best.

    As good is within one standard error of the best index, that of two binomial rates: the rule of Breiman, Friedman,
    Olshen & Stone 1984 (section 3.4.3), which takes the sturdiest choice among those that the films cannot tell apart.
    The best one alone is a chance of few films, and lies where it will among scores that rounding weights to int8
    moves. Raises DataError without both classes.
    """
    false, true, thresholds = roc_curve(scores, positive)
    index = true - false
    best = int(np.argmax(index))
    if best == 0:
        return _below(thresholds, best)
    variance = sum(
        rate[best] * (1 - rate[best]) / np.sum(side) for rate, side in ((true, positive), (false, ~positive))
    )
    good = np.flatnonzero((index >= index[best] - math.sqrt(variance)) & (index > 0))
    # Neither all nor none is called there, so that both of its scores are films'.
    high, low = thresholds[good].astype(np.float64), thresholds[good + 1].astype(np.float64)
    upper, lower = logits(high), logits(low)
    widest = int(np.argmax(upper - lower))
    middle = 1 / (1 + math.exp(-(upper[widest] + lower[widest]) / 2))
    if low[widest] < middle <= high[widest]:
        return middle
    return _below(thresholds, int(good[widest]))


def sensitivity_threshold(scores: Floats, positive: Bools, sensitivity: float) -> float:
    """Return the highest threshold that finds at least this part (0 to 1) of the positives, in the middle of its gap.

    Raises DataError without both classes.
    """
    _, true, thresholds = roc_curve(scores, positive)
    # A hair less, or 0.95 of 60 would be 58 films by the error of a float.
    return _below(thresholds, int(np.argmax(true >= sensitivity - 1e-9)))


def logits(scores: Floats) -> Floats:
    """Return the log odds of the probabilities, which are held 1e-7 from 0 and 1, where a float32 softmax rounds."""
    clipped = np.clip(scores.astype(np.float64), _LEAST, 1 - _LEAST)
    odds: Floats = np.log(clipped) - np.log1p(-clipped)
    return odds


def proportion(count: int, total: int, *, level: float = 0.95) -> Interval:
    """Return count / total with Wilson's score interval (Wilson 1927), which holds near 0 and 1 and for few films."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = count / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    reach = z / (1 + z**2 / total) * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return Interval(share, max(middle - reach, 0.0), min(middle + reach, 1.0))


def _below(thresholds: Floats, place: int) -> float:
    """Return the threshold at `place` of a ROC curve, moved halfway to the next lower score."""
    if place == 0:
        return 1.0
    below = thresholds[place + 1] if place + 1 < len(thresholds) else 0.0
    return float((thresholds[place] + below) / 2)


def confuse(scores: Floats, positive: Bools, threshold: float) -> Confusion:
    """Count the calls at `threshold`; a score at or above it is called positive."""
    _check_classes(scores, positive, least=1)
    # As a float32 the threshold may round down to the next lower score.
    called = scores.astype(np.float64) >= threshold
    return Confusion(
        true_positive=int(np.sum(called & positive)),
        false_positive=int(np.sum(called & ~positive)),
        true_negative=int(np.sum(~called & ~positive)),
        false_negative=int(np.sum(~called & positive)),
    )


def _placements(scores: Floats, positive: Bools, *, least: int = 1) -> tuple[Floats, Floats]:
    """Return for each positive the part of negatives it beats, and for each negative the part of positives above it."""
    _check_classes(scores, positive, least)
    scores = scores.astype(np.float64)
    own, other = scores[positive], scores[~positive]
    both = _midranks(np.concatenate([own, other]))
    of_positive = (both[: len(own)] - _midranks(own)) / len(other)
    of_negative = 1.0 - (both[len(own) :] - _midranks(other)) / len(own)
    return of_positive, of_negative


def _midranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts - 1) / 2)[inverse]
    return ranks


def _check_classes(scores: Floats, positive: Bools, least: int) -> None:
    count = int(positive.sum())
    if min(count, len(positive) - count) < least:
        raise DataError(
            f"{count} positive and {len(positive) - count} negative films; "
            f"this figure needs at least {least} of each: add films or choose another split"
        )
    if not np.isfinite(scores).all():
        raise DataError("scores hold NaN or infinity; the model that gave them is broken: export it again")


def _normal_interval(value: float, variance: float, level: float, bounds: tuple[float, float]) -> Interval:
    reach = NormalDist().inv_cdf(0.5 + level / 2) * variance**0.5
    return Interval(value, max(value - reach, bounds[0]), min(value + reach, bounds[1]))


def summarise(scores: Floats, positive: Bools, sources: Sequence[str], threshold: float) -> dict[str, Any]:
    """Return a JSON object of all figures of some films, with the AUC within each source that holds both classes."""
    counts = confuse(scores, positive, threshold)
    origin = np.array(sources)
    within = {}
    for source in sorted(set(sources)):
        rows = origin == source
        if min(positive[rows].sum(), (~positive[rows]).sum()) >= 2:
            within[source] = _auc_figures(scores[rows], positive[rows])
    return _auc_figures(scores, positive) | {
        "accuracy": counts.accuracy,
        "sensitivity": counts.sensitivity,
        "specificity": counts.specificity,
        "threshold": threshold,
        "within_source": within,
    }


def _auc_figures(scores: Floats, positive: Bools) -> dict[str, Any]:
    interval = auc_interval(scores, positive)
    return {
        "auc": interval.value,
        "auc_95": [interval.low, interval.high],
        "positive_films": int(positive.sum()),
        "negative_films": int((~positive).sum()),
    }
