"""The ROC curve and the area under it (AUC) with DeLong intervals, from the scores of a two-class classifier.

Everywhere `scores` are (n,) probabilities of the positive class and `positive` is (n,) bool.
"""

from __future__ import annotations

import numpy as np

from cxr_edge.metrics.confusion import Bools, Floats, check_classes
from cxr_edge.metrics.intervals import Interval, normal_interval

__all__ = ["auc", "auc_change", "auc_change_variance", "auc_interval", "midranks", "roc_curve"]


def auc(scores: Floats, positive: Bools) -> float:
    """Return the area under the ROC curve, ties counting half (Mann-Whitney). Raises DataError without both classes."""
    return float(_placements(scores, positive)[0].mean())


def auc_interval(scores: Floats, positive: Bools, *, level: float = 0.95) -> Interval:
    """Return the AUC with its DeLong confidence interval, cut to [0, 1].

    DeLong, DeLong & Clarke-Pearson 1988, by the midranks of Sun & Xu 2014. Raises DataError under 2 of a class.
    """
    of_positive, of_negative = _placements(scores, positive, least=2)
    variance = of_positive.var(ddof=1) / len(of_positive) + of_negative.var(ddof=1) / len(of_negative)
    return normal_interval(float(of_positive.mean()), float(variance), level, (0.0, 1.0))


def auc_change(reference: Floats, scores: Floats, positive: Bools, *, level: float = 0.95) -> Interval:
    """Return AUC(scores) - AUC(reference) on the same films with its paired DeLong interval (Sun & Xu 2014, eq. 5).

    Raises DataError under 2 of a class.
    """
    value = auc(scores, positive) - auc(reference, positive)
    return normal_interval(value, auc_change_variance(reference, scores, positive), level, (-1.0, 1.0))


def auc_change_variance(reference: Floats, scores: Floats, positive: Bools) -> float:
    """Return the paired DeLong variance of AUC(scores) - AUC(reference). Raises DataError under 2 of a class."""
    positive_before, negative_before = _placements(reference, positive, least=2)
    positive_after, negative_after = _placements(scores, positive, least=2)
    of_positive, of_negative = positive_after - positive_before, negative_after - negative_before
    return float(of_positive.var(ddof=1) / len(of_positive) + of_negative.var(ddof=1) / len(of_negative))


def roc_curve(scores: Floats, positive: Bools) -> tuple[Floats, Floats, Floats]:
    """Return false positive rates, true positive rates and thresholds, from the strictest threshold to the laxest."""
    check_classes(scores, positive, least=1)
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], positive[order]
    last_of_ties = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    true = np.cumsum(hits)[last_of_ties] / hits.sum()
    false = np.cumsum(~hits)[last_of_ties] / (~hits).sum()
    thresholds = np.append(np.inf, ranked[last_of_ties])
    return np.append(0.0, false), np.append(0.0, true), thresholds


def midranks(values: Floats) -> Floats:
    """Return the rank of each value from 1 on; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts - 1) / 2)[inverse]
    return ranks


def _placements(scores: Floats, positive: Bools, *, least: int = 1) -> tuple[Floats, Floats]:
    """Return for each positive the part of negatives it beats, and for each negative the part of positives above it."""
    check_classes(scores, positive, least)
    scores = scores.astype(np.float64)
    own, other = scores[positive], scores[~positive]
    both = midranks(np.concatenate([own, other]))
    of_positive = (both[: len(own)] - midranks(own)) / len(other)
    of_negative = 1.0 - (both[len(own) :] - midranks(other)) / len(own)
    return of_positive, of_negative
