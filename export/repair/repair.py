"""Repair an int8 model until a stated budget is met: measure, rank, act, choose on val, prove on test.

The cheapest step comes first, and the first artifact within the budget is kept. The films that the ranges and weights
were fitted on are never those that it is judged by.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge.contract import Pixels
from cxr_edge.export.graph.deployment import PIXEL_STEP
from cxr_edge.export.repair.equalisation import equalise
from cxr_edge.export.repair.fitting import FitOptions, fit_layers
from cxr_edge.export.repair.ranges import Ranges, choose_ranges
from cxr_edge.export.repair.sensitivity import rank_layers
from cxr_edge.export.repair.simulation import QuantizedLayer
from cxr_edge.metrics import roc
from cxr_edge.metrics.budget import Budget, Drift
from cxr_edge.metrics.confusion import is_positive
from cxr_edge.runtimes.registry import open_content
from cxr_edge.system.progress import Progress, say

__all__ = ["STEPS", "Converter", "Judge", "Outcome", "Repair", "measure_drift"]

STEPS: tuple[tuple[str, FitOptions | None], ...] = (
    ("stock", None),
    ("equal channels, bias correction", FitOptions(rounding="nearest")),
    ("equal channels, rounding by inputs", FitOptions()),
    ("equal channels, refit, rounding by inputs", FitOptions(refit_ridge=0.1)),
    ("equal channels, refit at more places, rounding by inputs", FitOptions(refit_ridge=0.1, rows=200_000)),
)
"""The steps in order of their price; a later one contains what the earlier ones do."""

_TIMED_RUNS = 30
_RANKED_FILMS = 16


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


@dataclass(frozen=True)
class Outcome:
    """The artifact that a repair chose, what it still misses on the judging films, and the record for repair.json."""

    content: bytes
    misses: list[str]
    record: dict[str, Any]


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


@dataclass(frozen=True)
class Converter:
    """What a repair needs of a format.

    `quantize` gives the stock int8 of a deployment, but for the ranges of its activations, `put_layers` writes fitted
    layers into such an artifact. `merges` tells that the format's runtime rounds ties to even, which would merge grey
    levels (see `Deployment.lower_pixels`).
    """

    format: str
    quantize: Callable[[Any, Ranges], bytes]
    put_layers: Callable[[bytes, Mapping[str, QuantizedLayer]], bytes]
    merges: bool


class Repair:
    """The repair of one model; the equalised backbone and the fits are made once and serve every format."""

    def __init__(self, deployment: Any, films: Pixels, budget: Budget, val: Judge, test: Judge | None) -> None:
        self.deployment = deployment
        self.films = films
        self.budget = budget
        self.val = val
        self.test = test
        self._fits: dict[tuple[str, bool], dict[str, QuantizedLayer]] = {}

    def run(self, converter: Converter, draws: list[bytes], baseline: bytes) -> Outcome:
        """Try the steps on the first of `draws` until the budget is met on val; the best of them if it never is.

        `draws` are stock conversions calibrated on different films, for the record of how much that choice matters.
        `baseline` is the stock conversion of the whole model, head and all, that size and latency are held against.
        """
        format = converter.format
        equalised: bytes | None = None
        tried: list[tuple[tuple[float, ...], bytes, list[str], dict[str, Any]]] = []
        for name, options in STEPS:
            start = time.monotonic()
            content = draws[0]
            if options is not None:
                equalised = equalised or self._quantize(converter)
                content = converter.put_layers(equalised, self._fit(name, options, lowered=converter.merges))
            drift = self.val.measure(content, format, f"model_int8.{format}")
            size_ratio = len(content) / len(baseline)
            latency_ratio = _compare_latency(content, baseline, format, self.val.pixels)
            ratios = {"size_ratio": size_ratio, "latency_ratio": latency_ratio}
            misses = self.budget.misses(drift, **ratios)
            step = {
                "step": name,
                "val": dataclasses.asdict(drift),
                **ratios,
                "misses": misses,
                "seconds": round(time.monotonic() - start, 1),
            }
            say(f"{format}, {name}: {drift.flips} of {drift.films} flips on val, AUC {drift.auc_change:+.4f}")
            tried.append(((self.budget.excess(drift, **ratios), drift.mean_change), content, misses, step))
            if not misses:
                break
        _, content, misses, chosen = min(tried, key=lambda item: item[0])
        record = {
            "budget": dataclasses.asdict(self.budget),
            "ranking": self._ranking if len(tried) > 1 else [],
            "steps": [step for *_, step in tried],
            "stock_by_calibration_draw": self._compare_draws(draws, format),
            "chosen": chosen["step"],
            "met": not misses,
            "fitted_on": {"films": len(self.films), "split": "train"},
            "seed": FitOptions().seed,
        }
        if self.test is not None:
            record["test"] = dataclasses.asdict(self.test.measure(content, format, f"model_int8.{format}"))
        return Outcome(content, misses, record)

    def _compare_draws(self, draws: list[bytes], format: str) -> list[dict[str, Any]]:
        """Return the drift on val of each stock conversion."""
        drifts = [self.val.measure(content, format, f"model_int8.{format}") for content in draws]
        flips = ", ".join(str(drift.flips) for drift in drifts)
        say(f"{format}, stock, by {len(draws)} draws of calibration films: {flips} flips on val")
        return [dataclasses.asdict(drift) for drift in drifts]

    @cached_property
    def _inputs(self) -> Any:
        """The films as the backbone takes them, (n, 224, 224, 3) in [-1, 1]."""
        return np.asarray(self.deployment.scale(self.films))

    @cached_property
    def _equalised(self) -> Any:
        """The deployment over the equalised backbone."""
        return self.deployment.replace_backbone(equalise(self.deployment.backbone, self._inputs))

    @cached_property
    def _ranges(self) -> Ranges:
        """Those of the equalised backbone's activations."""
        with Progress("repair: choosing ranges", 2 * len(self.films)) as progress:
            return choose_ranges(self._equalised.backbone, self._inputs, progress)

    @cached_property
    def _ranking(self) -> list[dict[str, Any]]:
        return rank_layers(self.deployment, self.films[:_RANKED_FILMS])

    def _quantize(self, converter: Converter) -> bytes:
        """Return the int8 of the equalised backbone, its activations in the ranges that lose least."""
        deployment = self._equalised.lower_pixels() if converter.merges else self._equalised
        return converter.quantize(deployment, self._ranges)

    def _fit(self, name: str, options: FitOptions, *, lowered: bool) -> dict[str, QuantizedLayer]:
        key = (name, lowered)
        if key not in self._fits:
            backbone, ranges = self._equalised.backbone, self._ranges
            shift = -PIXEL_STEP / 2 if lowered else 0.0
            with Progress(f"repair: {name}", 1) as progress:
                self._fits[key] = fit_layers(backbone, self._inputs, ranges, options, progress, shift=shift)
        return self._fits[key]


def _compare_latency(content: bytes, baseline: bytes, format: str, pixels: Pixels) -> float:
    """Return the ratio of the lower quartiles of two artifacts' latencies, run in turns on the same films."""
    runtimes = [open_content(item, format) for item in (content, baseline)]
    times: list[list[float]] = [[], []]
    for run in range(_TIMED_RUNS + 3):
        film = pixels[run % len(pixels)][None]
        for number, runtime in enumerate(runtimes):
            start = time.perf_counter()
            runtime.run(film)
            times[number].append(time.perf_counter() - start)
    for runtime in runtimes:
        runtime.close()
    # The first turns load caches and are left out for both. Other work on the machine only ever adds time, so that a
    # low quantile tells the two apart where a median would not.
    first, second = (statistics.quantiles(values[3:], n=4)[0] for values in times)
    return first / second
