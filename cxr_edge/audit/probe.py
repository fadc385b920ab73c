"""A plain classifier on numbers of films, and the AUCs that tell whether the numbers give the class or the source away.

The classifier is scikit-learn's logistic regression on standardised numbers, trained on the split train and measured on
all films that were held out. Its penalty grows with how many numbers there are (C is one over their count), so that a
thumbnail of 576 has no more freedom than a spectrum of 32. It is weak by design: what it can read, a network can.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge.data.dataset import Dataset
from cxr_edge.errors import DataError
from cxr_edge.metrics import roc
from cxr_edge.metrics.confusion import Bools, Floats
from cxr_edge.metrics.intervals import Interval
from cxr_edge.system.extras import need

__all__ = ["Finding", "Labels", "assess", "fit_scores", "judge"]

LEAST_FILMS = 2
_STEPS = 2000


@dataclass(frozen=True)
class Labels:
    """What is known of the films beside the picture: class, source and whether each is trained on, (n,) each."""

    positive: Bools
    sources: npt.NDArray[np.str_]
    trained: Bools

    @classmethod
    def of(cls, dataset: Dataset) -> Labels:
        """Return the labels of a data set. Raises DataError when there is nothing to train on, or nothing held out."""
        labels = cls(
            np.array([item.label == dataset.positive for item in dataset.items]),
            np.array([item.source for item in dataset.items]),
            np.array([item.split == "train" for item in dataset.items]),
        )
        for rows, use in ((labels.trained, "split 'train'"), (~labels.trained, "the splits 'val' and 'test'")):
            if not has_both(labels.positive[rows]):
                raise DataError(
                    f"{dataset.name}: {use} has under {LEAST_FILMS} films of a class; an audit needs both classes "
                    "there: add films, or give a data set with splits"
                )
        return labels

    def mixed_sources(self, rows: Bools) -> list[str]:
        """Return the sources that have both classes among the films of these rows."""
        return [
            str(source)
            for source in np.unique(self.sources)
            if has_both(self.positive[rows & (self.sources == source)])
        ]


@dataclass(frozen=True)
class Finding:
    """AUCs of scores on held-out films: of all sources together, within each source, and on a source left out.

    `without` is measured on all films of a source, by a classifier that saw none of them.
    """

    name: str
    pooled: Interval
    within: dict[str, Interval]
    without: dict[str, Interval]

    def to_json(self) -> dict[str, Any]:
        """Return the object of the JSON report."""
        return {
            "name": self.name,
            "auc": _to_json(self.pooled),
            "within_source": {source: _to_json(value) for source, value in self.within.items()},
            "source_left_out": {source: _to_json(value) for source, value in self.without.items()},
        }


def assess(name: str, features: Floats, labels: Labels) -> tuple[Finding, Floats]:
    """Train on the split train; return what the numbers (n, some) give away on all other films, and all scores (n,)."""
    scores = fit_scores(features, labels.positive, labels.trained)
    without = {}
    for source in labels.mixed_sources(np.ones(len(labels.sources), dtype=np.bool_)):
        left_out = labels.sources == source
        seen = labels.trained & ~left_out
        if has_both(labels.positive[seen]):
            own = fit_scores(features, labels.positive, seen)
            without[source] = roc.auc_interval(own[left_out], labels.positive[left_out])
    found = judge(name, scores, labels)
    return Finding(name, found.pooled, found.within, without), scores


def judge(name: str, scores: Floats, labels: Labels) -> Finding:
    """Return the AUCs of given scores (n,) on the held-out films."""
    held_out = ~labels.trained
    within = {}
    for source in labels.mixed_sources(held_out):
        rows = held_out & (labels.sources == source)
        within[source] = roc.auc_interval(scores[rows], labels.positive[rows])
    return Finding(name, roc.auc_interval(scores[held_out], labels.positive[held_out]), within, {})


def fit_scores(features: Floats, positive: Bools, trained: Bools) -> Floats:
    """Return the log odds (n,) that a classifier trained on the rows of `trained` gives all films.

    Raises MissingExtraError without scikit-learn.
    """
    need("an audit", "audit", "sklearn")
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    centre, spread = features[trained].mean(axis=0), features[trained].std(axis=0)
    # A number that never varies, such as the aspect ratio of simulated films, tells nothing.
    scaled = (features - centre) / np.where(spread > 1e-9, spread, 1.0)
    model = LogisticRegression(C=1 / scaled.shape[1], max_iter=_STEPS)
    with warnings.catch_warnings():
        # Its last digits do not matter to an AUC.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(scaled[trained], positive[trained])
    scores: Floats = model.decision_function(scaled)
    return scores


def has_both(positive: Bools) -> bool:
    """Say whether there are at least two films of each class."""
    return bool(min(positive.sum(), (~positive).sum()) >= LEAST_FILMS)


def _to_json(value: Interval) -> dict[str, float]:
    return {"value": value.value, "low": value.low, "high": value.high}
