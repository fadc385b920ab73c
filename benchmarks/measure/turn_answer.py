"""What the worker answers about one turn of timed runs, as a dataclass: the JSON of `worker` read once, and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxr_edge.benchmarks.result.device_result import Condition
from cxr_edge.system.decode import decode

__all__ = ["TurnAnswer", "read"]


@dataclass(frozen=True)
class TurnAnswer:
    """One turn. `times_ms` are of single films, `batch_ms` of `batch` films at once, none for a batch of one.

    `bare_mib` is the peak memory of the process before it imported anything, `peak_mib` that after the single films.
    `coverage` is None where the runtime does not tell.
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
    """Return the worker's answer about the artifact `name`. Raises DataError for what is no such answer."""
    found: TurnAnswer = decode(TurnAnswer, answer, f"{name}: the answer of its process")
    return found
