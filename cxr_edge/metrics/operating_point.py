"""The operating point: from which probability on an image is predicted positive, chosen on validation images.

Everywhere `scores` are (n,) probabilities of the positive class and `positive` is (n,) bool.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from cxr_edge.errors import UsageError
from cxr_edge.metrics.confusion import Bools, Floats
from cxr_edge.metrics.roc import roc_curve

__all__ = [
    "RULES",
    "STEADY",
    "check_rule",
    "choose_threshold",
    "logits",
    "sensitivity_threshold",
    "steady_threshold",
    "youden_threshold",
]

STEADY = "youden-1se"

# As float32 a softmax rounds to 0 or 1 beyond this.
_LEAST = 1e-7


def choose_threshold(scores: Floats, positive: Bools, rule: str, sensitivity: float | None) -> tuple[float, str]:
    """Return an operating point and the rule that gave it; see `fit`."""
    check_rule(rule, sensitivity)
    if sensitivity is None:
        return RULES[rule](scores, positive), rule
    return sensitivity_threshold(scores, positive, sensitivity), f"sensitivity >= {sensitivity:g}"


def check_rule(rule: str, sensitivity: float | None) -> None:
    """Raise UsageError for a sensitivity outside 0 to 1, or another rule than there are."""
    if sensitivity is not None and not 0.0 < sensitivity <= 1.0:
        raise UsageError(f"sensitivity {sensitivity:g}: must lie above 0 and at most at 1, as in 0.95")
    if rule not in RULES:
        raise UsageError(f"rule '{rule}': must be one of {', '.join(RULES)}")


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


def _below(thresholds: Floats, place: int) -> float:
    """Return the threshold at `place` of a ROC curve, moved halfway to the next lower score."""
    if place == 0:
        return 1.0
    below = thresholds[place + 1] if place + 1 < len(thresholds) else 0.0
    return float((thresholds[place] + below) / 2)


RULES: Mapping[str, Callable[[Floats, Bools], float]] = {
    STEADY: steady_threshold,
    "youden": youden_threshold,
}
