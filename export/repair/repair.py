"""Repair an int8 model until a stated budget is met: measure, rank, act, choose on val, prove on test.

The cheapest step comes first, and the first artifact within the budget is kept. The films that the ranges and weights
were fitted on are never those that it is judged by.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cxr_edge.contract import artifact_name
from cxr_edge.export.calibration_set import FilmSet, RepairFilms
from cxr_edge.export.convert.base import Converter, QuantizedLayer, Ranges
from cxr_edge.export.graph.deployment import PIXEL_STEP, Deployment
from cxr_edge.export.recipes import RECIPES
from cxr_edge.export.repair.equalisation import equalise
from cxr_edge.export.repair.fitting import FitOptions, fit_layers
from cxr_edge.export.repair.judge import Judge, compare_latency
from cxr_edge.export.repair.ranges import choose_ranges
from cxr_edge.export.repair.record import LayerSensitivity, RepairRecord, StepResult
from cxr_edge.export.repair.sensitivity import rank_layers
from cxr_edge.metrics.budget import Budget, Drift
from cxr_edge.system.progress import Progress, say

__all__ = ["STEPS", "Outcome", "Repair", "Step"]

_RANKED_FILMS = 16
_INT8 = RECIPES["int8"]


@dataclass(frozen=True)
class Step:
    """One thing to try; None for `options` is the stock conversion."""

    name: str
    options: FitOptions | None


STEPS = (
    Step("stock", None),
    Step("equal channels, bias correction", FitOptions(rounding="nearest")),
    Step("equal channels, rounding by inputs", FitOptions()),
    Step("equal channels, refit, rounding by inputs", FitOptions(refit_ridge=0.1)),
    Step("equal channels, refit at more places, rounding by inputs", FitOptions(refit_ridge=0.1, rows=200_000)),
)
"""The steps in order of their price; a later one contains what the earlier ones do."""


@dataclass(frozen=True)
class Outcome:
    """The artifact that a repair chose, what it still misses on the judging films, and the record for repair.json."""

    content: bytes
    misses: list[str]
    record: RepairRecord


@dataclass(frozen=True)
class _Stock:
    """The stock conversions of one format.

    `draws` were calibrated on different films, the first on those of the export; the others show how much that choice
    matters. `whole` is the int8 of the whole model, head and all, that size and latency are held against.
    """

    draws: tuple[bytes, ...]
    whole: bytes


class Repair:
    """The repair of one model; the equalised backbone and the fits are made once and serve every format."""

    def __init__(
        self,
        deployment: Deployment,
        calibration: FilmSet,
        films: RepairFilms,
        budget: Budget,
        val: Judge,
        test: Judge | None,
    ) -> None:
        self.deployment = deployment
        self.calibration = calibration
        self.films = films
        self.budget = budget
        self.val = val
        self.test = test
        self._fits: dict[tuple[Step, bool], dict[str, QuantizedLayer]] = {}
        self._int8: dict[str, bytes] = {}

    def run(self, converter: Converter, float_content: bytes) -> Outcome:
        """Try the steps on the int8 of the float32 file until the budget is met on val; the best if it never is."""
        stock = self._convert_stock(converter, float_content)
        steps = self._try_steps(converter, stock)
        chosen = min(steps, key=lambda step: (step.excess, step.drift.mean_change))
        record = RepairRecord(
            budget=self.budget,
            ranking=self._ranking if len(steps) > 1 else [],
            steps=steps,
            draws=self._compare_draws(stock, converter.format),
            chosen=chosen,
            fitted_films=len(self.films.fit.pixels),
            seed=FitOptions().seed,
            test=_measure(self.test, chosen.content, converter.format) if self.test is not None else None,
        )
        return Outcome(chosen.content, chosen.misses, record)

    def _convert_stock(self, converter: Converter, float_content: bytes) -> _Stock:
        calibrations = (self.calibration, *self.films.redraws)
        draws = tuple(converter.quantize(float_content, _INT8, films.pixels) for films in calibrations)
        whole = converter.quantize(float_content, _INT8, self.calibration.pixels, whole=True)
        return _Stock(draws, whole)

    def _try_steps(self, converter: Converter, stock: _Stock) -> list[StepResult]:
        tried = []
        for step in STEPS:
            result = self._try_step(step, converter, stock)
            drift = result.drift
            say(
                f"{converter.format}, {step.name}: {drift.flips} of {drift.films} flips on val, "
                f"AUC {drift.auc_change:+.4f}"
            )
            tried.append(result)
            if not result.misses:
                break
        return tried

    def _try_step(self, step: Step, converter: Converter, stock: _Stock) -> StepResult:
        start = time.monotonic()
        content = stock.draws[0] if step.options is None else self._apply(step, step.options, converter)
        drift = _measure(self.val, content, converter.format)
        size_ratio = len(content) / len(stock.whole)
        latency_ratio = compare_latency(content, stock.whole, converter.format, self.val.pixels)
        return StepResult(
            name=step.name,
            content=content,
            drift=drift,
            size_ratio=size_ratio,
            latency_ratio=latency_ratio,
            misses=self.budget.misses(drift, size_ratio=size_ratio, latency_ratio=latency_ratio),
            excess=self.budget.excess(drift, size_ratio=size_ratio, latency_ratio=latency_ratio),
            duration_s=time.monotonic() - start,
        )

    def _apply(self, step: Step, options: FitOptions, converter: Converter) -> bytes:
        """Return the int8 of the equalised backbone with the layers that the step fits."""
        if converter.format not in self._int8:
            self._int8[converter.format] = self._quantize(converter)
        layers = self._fit(step, options, lowered=converter.rounds_ties_to_even)
        return converter.put_layers(self._int8[converter.format], layers)

    def _compare_draws(self, stock: _Stock, format: str) -> list[Drift]:
        """Return the drift on val of each stock conversion."""
        drifts = [_measure(self.val, content, format) for content in stock.draws]
        flips = ", ".join(str(drift.flips) for drift in drifts)
        say(f"{format}, stock, by {len(stock.draws)} draws of calibration films: {flips} flips on val")
        return drifts

    @cached_property
    def _inputs(self) -> Any:
        """The films as the backbone takes them, (n, 224, 224, 3) in [-1, 1]."""
        return np.asarray(self.deployment.scale(self.films.fit.pixels))

    @cached_property
    def _equalised(self) -> Deployment:
        """The deployment over the equalised backbone."""
        return self.deployment.replace_backbone(equalise(self.deployment.backbone, self._inputs))

    @cached_property
    def _ranges(self) -> Ranges:
        """Those of the equalised backbone's activations."""
        with Progress("repair: choosing ranges", 2 * len(self._inputs)) as progress:
            return choose_ranges(self._equalised.backbone, self._inputs, progress)

    @cached_property
    def _ranking(self) -> list[LayerSensitivity]:
        return rank_layers(self.deployment, self.films.fit.pixels[:_RANKED_FILMS])

    def _quantize(self, converter: Converter) -> bytes:
        """Return the int8 of the equalised backbone, its activations in the ranges that lose least."""
        deployment = self._equalised.lower_pixels() if converter.rounds_ties_to_even else self._equalised
        float_content = converter.convert_float(deployment)
        return converter.quantize(float_content, _INT8, self.calibration.pixels, ranges=self._ranges)

    def _fit(self, step: Step, options: FitOptions, *, lowered: bool) -> dict[str, QuantizedLayer]:
        key = (step, lowered)
        if key not in self._fits:
            backbone, ranges = self._equalised.backbone, self._ranges
            shift = -PIXEL_STEP / 2 if lowered else 0.0
            with Progress(f"repair: {step.name}", 1) as progress:
                self._fits[key] = fit_layers(backbone, self._inputs, ranges, options, progress, shift=shift)
        return self._fits[key]


def _measure(judge: Judge, content: bytes, format: str) -> Drift:
    return judge.measure(content, format, artifact_name(format, _INT8.name))
