"""Whether an artifact can replace the reference: its AUC must not be inferior by a stated margin (ADR 10)."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from cxr_edge.benchmarks.result.drift_result import FAIL, PASS, UNDECIDED, Verdict
from cxr_edge.metrics import roc
from cxr_edge.metrics.confusion import Bools, Floats

__all__ = ["POWER", "judge"]

POWER = 0.8
"""The power of the sample size: the chance that the named number of images decides."""

_MOST_IMAGES = 1_000_000


def judge(reference: Floats, scores: Floats, positive: Bools, margin: float) -> Verdict:
    """Judge AUC(scores) - AUC(reference) on the same images against a loss of `margin`.

    Non-inferiority by a confidence interval (the non-parametric method in Liu, Ma, Wu & Tai 2006): "pass" if the lower
    limit of the two-sided 95 % DeLong interval is above -margin, "fail" if the upper limit is below -margin, else "not
    enough images".

    DeLong's variance is 0 if no positive and negative image change their order, even on very few images. The standard
    error is therefore at least 1 / (positives * negatives): one such pair, the smallest change that the images can
    show. The number of images that would decide, at the same class balance and with a power of 80 %, is

        n (z(0.975) + z(0.8))^2 variance / (margin + change)^2

    (Blackwelder 1982). Here `change` is the change that was seen, but at most 0: a smaller model is not expected to be
    better. Raises DataError under 2 images of a class.
    """
    change = roc.auc_change(reference, scores, positive)
    z = NormalDist().inv_cdf(0.975)
    error = math.sqrt(roc.auc_change_variance(reference, scores, positive))
    smallest = 1 / (int(positive.sum()) * int((~positive).sum()))
    reach = z * max(error, smallest)
    low, high = max(change.value - reach, -1.0), min(change.value + reach, 1.0)
    outcome = PASS if low > -margin else FAIL if high < -margin else UNDECIDED
    needed = None
    if outcome == UNDECIDED:
        needed = _count_needed(len(positive), error, smallest, abs(margin + min(change.value, 0.0)))
    moved = bool(error > 0 or change.value)
    reason = (
        _explain(outcome, change.value, low, high, margin) if moved else _explain_stillness(reference, scores, positive)
    )
    if outcome == UNDECIDED:
        reason += f"; {_advise(needed, len(positive), positive)}"
    return Verdict(outcome, margin, low, high, len(positive), needed, reason)


def _count_needed(films: int, error: float, smallest: float, distance: float) -> int | None:
    wanted = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(POWER)
    if distance == 0:
        return None
    # DeLong's variance falls as 1/n, the smallest change as 1/n^2 at the same balance.
    needed = films * max((wanted * error / distance) ** 2, math.sqrt(wanted * smallest / distance))
    return math.ceil(needed) if needed <= _MOST_IMAGES else None


def _explain(outcome: str, change: float, low: float, high: float, margin: float) -> str:
    figures = f"AUC changes by {change:+.4f} [{low:+.4f}, {high:+.4f}]"
    if outcome == PASS:
        return f"{figures}: a loss of {margin:g} or more is ruled out"
    if outcome == FAIL:
        return f"{figures}: a loss of more than {margin:g} is shown"
    return f"{figures}: a loss of {margin:g} is neither shown nor ruled out"


def _explain_stillness(reference: Floats, scores: Floats, positive: Bools) -> str:
    largest = float(np.abs(scores.astype(np.float64) - reference).max())
    if largest == 0:
        return "every score equals the reference's exactly"
    # So many pairs share no image, and are independent.
    pairs = int(min(positive.sum(), (~positive).sum()))
    unseen = 1 - 0.05 ** (1 / pairs)
    return (
        "AUC is the same, as no positive and negative image changed their order; scores moved by up to "
        f"{largest:.2g}; on other images up to {unseen:.1%} of such pairs may change their order (rule of three)"
    )


def _advise(needed: int | None, films: int, positive: Bools) -> str:
    if needed is None:
        return f"the change is so close to the margin that more images would not decide ({films} were used)"
    return (
        f"about {needed:,} images with the same class balance ({positive.mean():.0%} positive) would decide; "
        f"{films:,} were used"
    )
