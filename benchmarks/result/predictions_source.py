"""What a figure of predictions is read from: an artifact with what it predicted on one device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cxr_edge.benchmarks.result.bench_result import ArtifactResult
from cxr_edge.benchmarks.result.drift_result import Change, DriftReport

__all__ = ["Predictions", "count_flips", "find_gap", "of_change", "of_drift", "say_failed", "say_reference"]

Value = TypeVar("Value")


@dataclass(frozen=True)
class Predictions:
    """An artifact with what it predicted on one device; `drift` is None where it gave no predictions."""

    row: ArtifactResult
    drift: DriftReport | None


def find_gap(predictions: Predictions) -> float | None:
    """Return how far the probabilities are at most from those of the same file here; None without either."""
    here, there = predictions.row.drift, predictions.drift
    if here is None or there is None:
        return None
    return max(abs(own - other) for own, other in zip(there.scores, here.scores, strict=True))


def of_drift(read: Callable[[DriftReport], Value]) -> Callable[[Predictions], Value | None]:
    """Return a reader of what is known of predictions; it gives None where there are none."""
    return lambda source: None if source.drift is None else read(source.drift)


def of_change(read: Callable[[Change], Value]) -> Callable[[Predictions], Value | None]:
    """Return a reader of what changed from the reference; it gives None for the reference itself."""

    def read_change(source: Predictions) -> Value | None:
        change = None if source.drift is None else source.drift.change
        return None if change is None else read(change)

    return read_change


def count_flips(source: Predictions) -> tuple[int, int] | None:
    """Return how many films flip, of how many."""
    if source.drift is None or source.drift.change is None:
        return None
    return source.drift.change.flips.count, len(source.drift.scores)


def say_failed(source: Predictions) -> str:
    """Return what stands for a figure of an artifact that gave no predictions."""
    return "failed"


def say_reference(source: Predictions) -> str:
    """Return what stands for a change where the artifact is the reference."""
    return "" if source.drift is None else "reference"
