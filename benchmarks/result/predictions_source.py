"""The source of a figure of predictions: an artifact with its predictions on one device."""

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
    """An artifact with its predictions on one device; `drift` is None if it gave none."""

    row: ArtifactResult
    drift: DriftReport | None


def find_gap(predictions: Predictions) -> float | None:
    """Return the largest difference of a probability from the same file's here; None if either is missing."""
    here, there = predictions.row.drift, predictions.drift
    if here is None or there is None:
        return None
    return max(abs(own - other) for own, other in zip(there.scores, here.scores, strict=True))


def of_drift(read: Callable[[DriftReport], Value]) -> Callable[[Predictions], Value | None]:
    """Return a reader of the drift report; it returns None without predictions."""
    return lambda source: None if source.drift is None else read(source.drift)


def of_change(read: Callable[[Change], Value]) -> Callable[[Predictions], Value | None]:
    """Return a reader of the change from the reference; it returns None for the reference itself."""

    def read_change(source: Predictions) -> Value | None:
        change = None if source.drift is None else source.drift.change
        return None if change is None else read(change)

    return read_change


def count_flips(source: Predictions) -> tuple[int, int] | None:
    """Return the number of flips and the number of images."""
    if source.drift is None or source.drift.change is None:
        return None
    return source.drift.change.flips.count, len(source.drift.scores)


def say_failed(source: Predictions) -> str:
    """Return the text for a figure of an artifact that gave no predictions."""
    return "failed"


def say_reference(source: Predictions) -> str:
    """Return the text for the change of the reference itself."""
    return "" if source.drift is None else "reference"
