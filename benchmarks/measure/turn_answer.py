"""The worker's answer about one turn of timed runs: a dataclass, read from JSON and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxr_edge.benchmarks.result.device_result import Condition
from cxr_edge.system.decode import decode

__all__ = ["TurnAnswer", "read"]


@dataclass(frozen=True)
class TurnAnswer:
    """One turn. `times_ms` are times of single images, `batch_ms` of `batch` images at once; empty for a batch of one.

    `bare_mib` is the peak memory of the process before it imported anything, `peak_mib` after the single images.
    `coverage` is None if the runtime does not report it.
    """

    import_ms: float
    load_ms: float
    first_ms: float
    times_ms: tuple[float, ...]
    bare_mib: float
    peak_mib: float
    condition: Condition
    coverage: float | None
    batch: int
    batch_ms: tuple[float, ...]
    runtime: str
    delegate: str


def read(answer: Mapping[str, Any], name: str) -> TurnAnswer:
    """Return the worker's answer about the artifact `name`. Raises DataError if it is not valid."""
    found: TurnAnswer = decode(TurnAnswer, answer, f"{name}: the answer of its process")
    return found
