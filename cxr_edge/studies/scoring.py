"""The figures of a study's scores: AUC with intervals, calls at a threshold of val, tests between two trainings."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from cxr_edge.data.dataset import Dataset
from cxr_edge.metrics import intervals, operating_point, paired, roc, summary
from cxr_edge.metrics.confusion import Bools, Floats, is_positive
from cxr_edge.metrics.intervals import Interval
from cxr_edge.studies.subset import truth_of

__all__ = ["compare", "interval", "rank_test", "report"]

_LEAST_ERROR = 1e-12


def interval(value: Interval) -> list[float]:
    """Return an interval as JSON: value, lower and upper limit."""
    return [value.value, value.low, value.high]


def report(dataset: Dataset, scores: dict[str, list[float]]) -> dict[str, Any]:
    """Return the figures of test, or of val where there is no test, at Youden's threshold of val.

    `within_source` is of val and test together, for a source has few films of a class in each.
    """
    values = {split: np.array(own) for split, own in scores.items()}
    truth = {split: truth_of(dataset, split).positive for split in values}
    threshold = operating_point.youden_threshold(values["val"], truth["val"])
    shown = "test" if "test" in values else "val"
    together = truth_of(dataset, *values)
    every = np.concatenate(list(values.values()))
    figures = summary.summarise(values[shown], truth[shown], (), threshold).to_json(sources=False)
    within = summary.summarise(every, together.positive, together.sources, threshold).within_source_to_json()
    right = int((is_positive(values[shown], threshold) == truth[shown]).sum())
    accuracy = intervals.proportion(right, len(truth[shown]))
    return figures | {"split": shown, "accuracy_95": [accuracy.low, accuracy.high], "within_source": within}


def compare(first: Floats, second: Floats, positive: Bools, thresholds: tuple[float, float]) -> dict[str, Any]:
    """Return how a second model's scores differ from a first one's on the same films.

    AUC by the paired DeLong test, two-sided; calls by McNemar's exact test, over films that one of the two calls right.
    """
    change = roc.auc_change(first, second, positive)
    error = roc.auc_change_variance(first, second, positive) ** 0.5
    p_value = 1.0 if error < _LEAST_ERROR else 2 * (1 - NormalDist().cdf(abs(change.value) / error))
    right = [is_positive(scores, bar) == positive for scores, bar in zip((first, second), thresholds, strict=True)]
    lost, gained = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    return {
        "auc_change": interval(change),
        "p_delong": p_value,
        "calls_lost": lost,
        "calls_gained": gained,
        "p_mcnemar": paired.mcnemar(lost, gained),
    }


def rank_test(groups: list[list[float]], *, draws: int = 10_000, seed: int = 0) -> tuple[float, float]:
    """Return Spearman's rank correlation of value and group number, and its two-sided p by permutation.

    `groups` are the values of each group in the groups' order, the same number in each; values change places within
    their place in the groups (a seed), so that what a seed does to all groups alike is no trend.
    """
    values = np.array(groups, dtype=np.float64)
    order = np.repeat(np.arange(len(values))[:, None], values.shape[1], axis=1)
    found = _spearman(order, values)
    random = np.random.default_rng(seed)
    drawn = np.array([_spearman(order, random.permuted(values, axis=0)) for _ in range(draws)])
    # The values as they came are one of the orders there are.
    return found, float((1 + np.sum(np.abs(drawn) >= abs(found) - 1e-12)) / (draws + 1))


def _spearman(first: Any, second: Any) -> float:
    ranks = [roc.midranks(values.ravel()) for values in (first, second)]
    spread = [float(rank.std()) for rank in ranks]
    if min(spread) == 0:
        return 0.0
    centred = [rank - rank.mean() for rank in ranks]
    return float(np.mean(centred[0] * centred[1]) / (spread[0] * spread[1]))
