"""How far an artifact lies from the float model on films that it was not fitted on, and how fast it is."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge.contract import Pixels
from cxr_edge.metrics import roc
from cxr_edge.metrics.budget import Drift
from cxr_edge.metrics.confusion import is_positive
from cxr_edge.runtimes.base import Runtime
from cxr_edge.runtimes.registry import open_content

__all__ = ["Judge", "compare_latency", "measure_drift"]

_TIMED_RUNS = 30
_WARM_UP_RUNS = 3


@dataclass(frozen=True)
class Judge:
    """Films that an artifact is judged by: pixels, which are positive, and the float model's scores for them."""

    split: str
    pixels: Pixels
    positive: npt.NDArray[np.bool_]
    reference: npt.NDArray[np.float32]
    threshold: float
    positive_index: int

    def measure(self, content: bytes, format: str, name: str) -> Drift:
        """Run an artifact on the films and return how far its calls lie from the reference's."""
        runtime = open_content(content, format, name=name)
        scores = runtime.run(self.pixels)["probabilities"][:, self.positive_index]
        runtime.close()
        return measure_drift(self.reference, scores, self.positive, self.threshold)


def measure_drift(
    reference: npt.NDArray[Any], scores: npt.NDArray[Any], positive: npt.NDArray[np.bool_], threshold: float
) -> Drift:
    """Return the drift of scores (n,) from the reference's (n,)."""
    change = np.abs(scores.astype(np.float64) - reference)
    return Drift(
        films=len(scores),
        flips=int(np.sum(is_positive(scores, threshold) != is_positive(reference, threshold))),
        auc_change=roc.auc(scores, positive) - roc.auc(reference, positive),
        max_change=float(change.max()),
        mean_change=float(change.mean()),
        distinct=len(np.unique(scores)),
    )


def compare_latency(content: bytes, baseline: bytes, format: str, pixels: Pixels) -> float:
    """Return the ratio of the lower quartiles of two artifacts' latencies, run in turns on the same films."""
    first, second = open_content(content, format), open_content(baseline, format)
    first_s: list[float] = []
    second_s: list[float] = []
    for run in range(_WARM_UP_RUNS + _TIMED_RUNS):
        film = pixels[run % len(pixels)][None]
        first_s.append(_time(first, film))
        second_s.append(_time(second, film))
    first.close()
    second.close()
    return _lower_quartile(first_s) / _lower_quartile(second_s)


def _time(runtime: Runtime, film: Pixels) -> float:
    start = time.perf_counter()
    runtime.run(film)
    return time.perf_counter() - start


def _lower_quartile(times_s: list[float]) -> float:
    # The first runs load caches. Other work on the machine only ever adds time, so that a low quantile tells two
    # artifacts apart where a median would not.
    return statistics.quantiles(times_s[_WARM_UP_RUNS:], n=4)[0]
