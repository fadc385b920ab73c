"""What a classifier's probabilities are worth: the temperature that corrects them, and how reliable they are.

A network's probabilities are too sure as a rule. Dividing its logits by one number, the temperature, sets that right
without changing the order of any two films (Guo, Pleiss, Sun & Weinberger 2017). The threshold stays one of the plain
probability, which is what every artifact answers.

Everywhere `scores` are (n,) probabilities of the positive class and `positive` is (n,) bool.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cxr_edge.metrics.confusion import Bools, Floats
from cxr_edge.metrics.intervals import Interval, proportion
from cxr_edge.metrics.operating_point import STEADY, choose_threshold, logits

__all__ = ["Bin", "Calibration", "fit", "log_loss", "reliability", "soften"]

_LOWEST_TEMPERATURE, _HIGHEST_TEMPERATURE = 0.05, 20.0
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Calibration:
    """What was fitted on the films of `split`.

    `threshold` applies to the plain probability and follows from `rule`: "youden-1se", "youden" or
    "sensitivity >= 0.95". The losses are mean negative log-likelihoods of those films, plain and with the temperature.
    """

    split: str
    films: int
    temperature: float
    rule: str
    threshold: float
    log_loss: float
    log_loss_calibrated: float

    def to_json(self) -> dict[str, Any]:
        """Return the object that the manifest keeps under `calibration`."""
        return {
            "split": self.split,
            "films": self.films,
            "temperature": self.temperature,
            "rule": self.rule,
            "threshold": self.threshold,
            "threshold_calibrated": float(soften(np.array([self.threshold]), self.temperature)[0]),
            "log_loss": self.log_loss,
            "log_loss_calibrated": self.log_loss_calibrated,
        }


@dataclass(frozen=True)
class Bin:
    """Films of neighbouring scores: their mean score, and the part that is positive with Wilson's interval."""

    films: int
    score: float
    positive: Interval


def fit(
    scores: Floats, positive: Bools, *, split: str = "val", rule: str = STEADY, sensitivity: float | None = None
) -> Calibration:
    """Return temperature and operating point of these films; a wanted `sensitivity` takes the place of `rule`.

    Raises DataError without both classes, UsageError for a sensitivity outside 0 to 1 or another rule.
    """
    threshold, rule = choose_threshold(scores, positive, rule, sensitivity)
    temperature = _fit_temperature(scores, positive)
    return Calibration(
        split=split,
        films=len(scores),
        temperature=temperature,
        rule=rule,
        threshold=threshold,
        log_loss=log_loss(scores, positive),
        log_loss_calibrated=log_loss(soften(scores, temperature), positive),
    )


def soften(scores: Floats, temperature: float) -> Floats:
    """Return the probabilities with their logits divided by `temperature`, (n,); above 1 it draws them to a half."""
    softened: Floats = 1 / (1 + np.exp(-logits(scores) / temperature))
    return softened


def log_loss(scores: Floats, positive: Bools) -> float:
    """Return the mean negative log-likelihood in nats; probabilities are held 1e-7 from 0 and 1."""
    return _loss_of(_towards_truth(scores, positive))


def reliability(scores: Floats, positive: Bools, *, bins: int = 10) -> list[Bin]:
    """Return the films in at most `bins` groups of neighbouring scores and equal size; equal scores are not parted."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1]))
    group = np.searchsorted(edges, scores, side="left")
    found = []
    for number in np.unique(group):
        rows = group == number
        films = int(rows.sum())
        share = proportion(int(positive[rows].sum()), films)
        found.append(Bin(films, float(scores[rows].astype(np.float64).mean()), share))
    return found


def _towards_truth(scores: Floats, positive: Bools) -> Floats:
    """Return the logits, (n,), of the class that each film is of."""
    odds = logits(scores)
    return np.where(positive, odds, -odds)


def _loss_of(sides: Floats) -> float:
    return float(np.logaddexp(0, -sides).mean())


def _fit_temperature(scores: Floats, positive: Bools) -> float:
    """Return the temperature of the lowest log loss, by golden section over its logarithm.

    The loss is convex in 1 / temperature, so it has one valley over the logarithm too. Where the classes are parted
    without an error it falls without end, and the lowest temperature that is allowed comes out.
    """
    sides = _towards_truth(scores, positive)

    def loss(exponent: float) -> float:
        return _loss_of(sides / math.exp(exponent))

    low, high = math.log(_LOWEST_TEMPERATURE), math.log(_HIGHEST_TEMPERATURE)
    inner = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    values = [loss(at) for at in inner]
    while high - low > 1e-6:
        if values[0] <= values[1]:
            high, inner[1], values[1] = inner[1], inner[0], values[0]
            inner[0] = high - _GOLDEN * (high - low)
            values[0] = loss(inner[0])
        else:
            low, inner[0], values[0] = inner[0], inner[1], values[1]
            inner[1] = low + _GOLDEN * (high - low)
            values[1] = loss(inner[1])
    return math.exp((low + high) / 2)
