"""What a repair did, for repair.json: the steps it tried, the layers that lose most, what it chose."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cxr_edge.metrics.budget import Budget, Drift

__all__ = ["LayerSensitivity", "RepairRecord", "StepResult"]


@dataclass(frozen=True)
class LayerSensitivity:
    """How much a layer loses when it alone is rounded to int8.

    `logit_change` is the root mean square, over the films, of gradient times error: how far it moves the difference of
    the two largest logits. `error` is the rounding error at the layer's own output, relative to the output's spread.
    """

    layer: str
    logit_change: float
    error: float


@dataclass(frozen=True)
class StepResult:
    """The artifact that one step gave, its drift on val, and how it stands to the budget.

    The ratios are to the stock int8 of the whole model; `excess` is by how much the budget is exceeded.
    """

    name: str
    content: bytes
    drift: Drift
    size_ratio: float
    latency_ratio: float
    misses: list[str]
    excess: float
    duration_s: float

    def to_json(self) -> dict[str, Any]:
        """Return the step as repair.json lists it."""
        return {
            "step": self.name,
            "val": dataclasses.asdict(self.drift),
            "size_ratio": self.size_ratio,
            "latency_ratio": self.latency_ratio,
            "misses": self.misses,
            "seconds": round(self.duration_s, 1),
        }


@dataclass(frozen=True)
class RepairRecord:
    """The whole repair of one format; `ranking` is empty where the first step was enough.

    `draws` are the drifts on val of stock conversions calibrated on other films, `test` that of the chosen artifact on
    test, None without such films. `fitted_films` is how many films of train the weights were fitted on.
    """

    budget: Budget
    ranking: Sequence[LayerSensitivity]
    steps: Sequence[StepResult]
    draws: Sequence[Drift]
    chosen: StepResult
    fitted_films: int
    seed: int
    test: Drift | None

    def to_json(self) -> dict[str, Any]:
        """Return the record as it stands in repair.json."""
        value: dict[str, Any] = {
            "budget": dataclasses.asdict(self.budget),
            "ranking": [dataclasses.asdict(layer) for layer in self.ranking],
            "steps": [step.to_json() for step in self.steps],
            "stock_by_calibration_draw": [dataclasses.asdict(drift) for drift in self.draws],
            "chosen": self.chosen.name,
            "met": not self.chosen.misses,
            "fitted_on": {"films": self.fitted_films, "split": "train"},
            "seed": self.seed,
        }
        if self.test is not None:
            value["test"] = dataclasses.asdict(self.test)
        return value
