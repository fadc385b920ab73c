"""Which images are predicted positive at a threshold, and how many of these predictions are correct.

Everywhere `scores` are (n,) probabilities of the positive class and `positive` is (n,) bool. Imports numpy alone, so
that classify, which asks `is_positive` for every image, starts no slower.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge.errors import DataError

__all__ = ["Bools", "Confusion", "Floats", "check_classes", "confuse", "is_positive"]

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]


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


def is_positive(scores: Floats | float, threshold: float) -> Bools:
    """Return whether each score, or the only one, is predicted positive: it lies at or above `threshold`.

    The comparison is in float64 whatever the scores are. In float32 the threshold may round to the next lower score,
    which would then be positive here and negative where the same score is a Python float.
    """
    predicted: Bools = np.asarray(scores, dtype=np.float64) >= threshold
    return predicted


def confuse(scores: Floats, positive: Bools, threshold: float) -> Confusion:
    """Count the calls at `threshold`; a score at or above it is called positive."""
    check_classes(scores, positive, least=1)
    called = is_positive(scores, threshold)
    return Confusion(
        true_positive=int(np.sum(called & positive)),
        false_positive=int(np.sum(called & ~positive)),
        true_negative=int(np.sum(~called & ~positive)),
        false_negative=int(np.sum(~called & positive)),
    )


def check_classes(scores: Floats, positive: Bools, least: int) -> None:
    """Raise DataError under `least` images of a class, or for scores that are not finite."""
    count = int(positive.sum())
    if min(count, len(positive) - count) < least:
        raise DataError(
            f"{count} positive and {len(positive) - count} negative films; "
            f"this figure needs at least {least} of each: add films or choose another split"
        )
    if not np.isfinite(scores).all():
        raise DataError("scores hold NaN or infinity; the model that gave them is broken: export it again")
