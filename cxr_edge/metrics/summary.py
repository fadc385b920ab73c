"""The figures of some images that a training or a study keeps: AUC, rates at the threshold, AUC within each source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cxr_edge.metrics.confusion import Bools, Confusion, Floats, confuse
from cxr_edge.metrics.intervals import Interval
from cxr_edge.metrics.roc import auc_interval

__all__ = ["AucSummary", "Summary", "summarise"]


@dataclass(frozen=True)
class AucSummary:
    """An AUC with its DeLong interval, and how many films of each class it rests on."""

    auc: Interval
    positive_films: int
    negative_films: int

    def to_json(self) -> dict[str, Any]:
        """Return the figures as a JSON object."""
        return {
            "auc": self.auc.value,
            "auc_95": [self.auc.low, self.auc.high],
            "positive_films": self.positive_films,
            "negative_films": self.negative_films,
        }


@dataclass(frozen=True)
class Summary:
    """The figures of some films; `within_source` has those of each source that holds both classes."""

    overall: AucSummary
    counts: Confusion
    threshold: float
    within_source: Mapping[str, AucSummary]

    def to_json(self, *, sources: bool = True) -> dict[str, Any]:
        """Return the figures as one JSON object, with `within_source` where `sources` are wanted."""
        rates = {
            "accuracy": self.counts.accuracy,
            "sensitivity": self.counts.sensitivity,
            "specificity": self.counts.specificity,
            "threshold": self.threshold,
        }
        within = {"within_source": self.within_source_to_json()} if sources else {}
        return self.overall.to_json() | rates | within

    def within_source_to_json(self) -> dict[str, Any]:
        """Return the figures within each source as a JSON object."""
        return {source: found.to_json() for source, found in self.within_source.items()}


def summarise(scores: Floats, positive: Bools, sources: Sequence[str], threshold: float) -> Summary:
    """Return all figures of some films, with the AUC within each source that holds two of both classes.

    Raises DataError under 2 films of a class or for scores that are not finite.
    """
    counts = confuse(scores, positive, threshold)
    origin = np.array(sources)
    within = {}
    for source in sorted(set(sources)):
        rows = origin == source
        if min(positive[rows].sum(), (~positive[rows]).sum()) >= 2:
            within[source] = _summarise_auc(scores[rows], positive[rows])
    return Summary(_summarise_auc(scores, positive), counts, threshold, within)


def _summarise_auc(scores: Floats, positive: Bools) -> AucSummary:
    return AucSummary(auc_interval(scores, positive), int(positive.sum()), int((~positive).sum()))
