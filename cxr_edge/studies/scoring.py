"""The figures of a study's scores: AUC with intervals, calls at a threshold of val, tests between two trainings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from cxr_edge.data.dataset import Dataset
from cxr_edge.metrics import intervals, operating_point, paired, roc
from cxr_edge.metrics.confusion import Bools, Floats, is_positive
from cxr_edge.metrics.intervals import Interval
from cxr_edge.metrics.summary import AucSummary, Summary, summarise
from cxr_edge.studies.subset import truth_of

__all__ = [
    "Difference",
    "Figures",
    "Pair",
    "Scores",
    "compare",
    "compare_scores",
    "interval_to_json",
    "rank_test",
    "report",
]

Scores = Mapping[str, list[float]]
"""The probabilities of the positive class by split, in the order of the data set."""

_LEAST_ERROR = 1e-12


@dataclass(frozen=True)
class Figures:
    """The figures of one training on the films of `split`, at the threshold of val.

    `within_source` has the AUC within each source that has both classes, of val and test together.
    """

    split: str
    summary: Summary
    accuracy: Interval
    within_source: Mapping[str, AucSummary]

    @property
    def auc(self) -> Interval:
        """The AUC with its DeLong interval."""
        return self.summary.overall.auc

    @property
    def threshold(self) -> float:
        """The score from which on a film is positive."""
        return self.summary.threshold

    def to_json(self) -> dict[str, Any]:
        """Return the figures as a JSON object."""
        return self.summary.to_json(sources=False) | {
            "split": self.split,
            "accuracy_95": [self.accuracy.low, self.accuracy.high],
            "within_source": {source: found.to_json() for source, found in self.within_source.items()},
        }


@dataclass(frozen=True)
class Difference:
    """How a second model's scores differ from a first one's on the same films.

    `calls_lost` counts films that only the first calls right, `calls_gained` those that only the second does.
    """

    auc_change: Interval
    p_delong: float
    calls_lost: int
    calls_gained: int
    p_mcnemar: float

    def to_json(self) -> dict[str, Any]:
        """Return the tests as a JSON object."""
        return {
            "auc_change": interval_to_json(self.auc_change),
            "p_delong": self.p_delong,
            "calls_lost": self.calls_lost,
            "calls_gained": self.calls_gained,
            "p_mcnemar": self.p_mcnemar,
        }


@dataclass(frozen=True)
class Pair:
    """Two rows of a study that were compared; `seed_number` is the seed's place where each seed is compared."""

    first: str | float
    second: str | float
    difference: Difference
    seed_number: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return names and tests as a JSON object."""
        names: dict[str, Any] = {"from": self.first, "to": self.second}
        if self.seed_number is not None:
            names["seed_number"] = self.seed_number
        return names | self.difference.to_json()


def interval_to_json(value: Interval) -> list[float]:
    """Return an interval as JSON: value, lower and upper limit."""
    return [value.value, value.low, value.high]


def report(dataset: Dataset, scores: Scores) -> Figures:
    """Return the figures of test, or of val where there is no test, at Youden's threshold of val.

    Sources are measured on val and test together, for a source has few films of a class in each.
    """
    values = {split: np.array(own) for split, own in scores.items()}
    truth = {split: truth_of(dataset, split).positive for split in values}
    threshold = operating_point.youden_threshold(values["val"], truth["val"])
    shown = "test" if "test" in values else "val"
    together = truth_of(dataset, *values)
    every = np.concatenate(list(values.values()))
    right = int((is_positive(values[shown], threshold) == truth[shown]).sum())
    return Figures(
        split=shown,
        summary=summarise(values[shown], truth[shown], (), threshold),
        accuracy=intervals.proportion(right, len(truth[shown])),
        within_source=summarise(every, together.positive, together.sources, threshold).within_source,
    )


def compare(dataset: Dataset, first: tuple[Scores, Figures], second: tuple[Scores, Figures]) -> Difference:
    """Return how a second training differs from a first one on the films that the first one's figures are of."""
    split = first[1].split
    before, after = np.array(first[0][split]), np.array(second[0][split])
    return compare_scores(before, after, truth_of(dataset, split).positive, (first[1].threshold, second[1].threshold))


def compare_scores(first: Floats, second: Floats, positive: Bools, thresholds: tuple[float, float]) -> Difference:
    """Return how a second model's scores differ from a first one's on the same films.

    AUC by the paired DeLong test, two-sided; calls by McNemar's exact test, over films that one of the two calls right.
    """
    change = roc.auc_change(first, second, positive)
    error = roc.auc_change_variance(first, second, positive) ** 0.5
    p_value = 1.0 if error < _LEAST_ERROR else 2 * (1 - NormalDist().cdf(abs(change.value) / error))
    right_before = is_positive(first, thresholds[0]) == positive
    right_after = is_positive(second, thresholds[1]) == positive
    lost, gained = int((right_before & ~right_after).sum()), int((right_after & ~right_before).sum())
    return Difference(change, p_value, lost, gained, paired.mcnemar(lost, gained))


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
    before, after = roc.midranks(first.ravel()), roc.midranks(second.ravel())
    spread = float(before.std()), float(after.std())
    if min(spread) == 0:
        return 0.0
    return float(np.mean((before - before.mean()) * (after - after.mean())) / (spread[0] * spread[1]))
