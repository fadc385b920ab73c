"""What is known of a model's quality and speed: from bench results, or measured here on simulated films."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cxr_edge.benchmarks.drift.verdict import judge
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.drift_result import DriftReport, Verdict
from cxr_edge.errors import CxrEdgeError
from cxr_edge.metrics import roc
from cxr_edge.metrics.intervals import Interval
from cxr_edge.system import files
from cxr_edge.system.progress import say

__all__ = ["MARGIN", "Figures", "find_bench_figures", "make_figures"]

MARGIN = 0.01
"""The loss of AUC that a verdict made here is about; that of bench's default."""

_MAX_BENCH_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Figures:
    """One model on one set of films. `scores` and `positive` are in the order of the films.

    `verdict` compares with `reference`, and is None for the reference itself and where there is none. Times are of one
    film on `machine`; None where they were not taken. `within` has the AUC among the films of one source.
    """

    data: str
    simulated: bool
    positive: tuple[bool, ...]
    scores: tuple[float, ...]
    auc: Interval
    machine: str
    p50_ms: float | None = None
    p90_ms: float | None = None
    verdict: Verdict | None = None
    reference: str | None = None
    within: Mapping[str, Interval] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as a JSON object; scores are rounded to what they mean."""
        return {
            "data": self.data,
            "simulated": self.simulated,
            "films": len(self.positive),
            "positive_films": sum(self.positive),
            "positive": [int(value) for value in self.positive],
            "scores": [round(value, 5) for value in self.scores],
            "auc": _round(self.auc),
            "within": {name: _round(interval) for name, interval in self.within.items()},
            "machine": self.machine,
            "p50_ms": None if self.p50_ms is None else round(self.p50_ms, 2),
            "p90_ms": None if self.p90_ms is None else round(self.p90_ms, 2),
            "verdict": None if self.verdict is None else self.verdict.outcome,
            "reason": None if self.verdict is None else self.verdict.reason,
            "reference": self.reference,
        }


def find_bench_figures(folders: Iterable[Path]) -> dict[str, Figures]:
    """Return the figures of every artifact in the bench results right below `folders`, by the artifact's SHA-256.

    The hash says that they are of this very file. Of several results the newest counts; one that cannot be read is told
    of on stderr.
    """
    results = []
    for path in sorted({path.resolve() for folder in folders for path in folder.glob("*/bench.json")}):
        try:
            results.append(BenchResult.from_json(files.read_json(path, _MAX_BENCH_BYTES), where=str(path)))
        except CxrEdgeError as error:
            say(f"cxr-edge: left out: {error}")
    found = {}
    for result in sorted(results, key=lambda item: item.started):
        for row in result.artifacts:
            if row.drift is not None:
                found[row.sha256] = _from_bench(result, row, row.drift)
    return found


def make_figures(
    scores: Sequence[float],
    positive: Sequence[bool],
    times_ms: Sequence[float],
    *,
    data: str,
    machine: str,
    reference: tuple[str, Sequence[float]] | None = None,
) -> Figures:
    """Return the figures of scores on simulated films, judged against those of `reference` (name, scores).

    Raises DataError under 2 films of a class or for scores that are not finite.
    """
    values, truth = np.array(scores), np.array(positive)
    name, others = reference or (None, None)
    return Figures(
        data=data,
        simulated=True,
        positive=tuple(positive),
        scores=tuple(scores),
        auc=roc.auc_interval(values, truth),
        machine=machine,
        p50_ms=float(np.percentile(times_ms, 50)),
        p90_ms=float(np.percentile(times_ms, 90)),
        verdict=None if others is None else judge(np.array(others), values, truth, MARGIN),
        reference=name,
    )


def _round(interval: Interval) -> list[float]:
    return [round(value, 4) for value in (interval.value, interval.low, interval.high)]


def _from_bench(result: BenchResult, row: ArtifactResult, drift: DriftReport) -> Figures:
    measured = [item for item in row.latencies if item.kind == "measured" and item.withheld is None]
    # One thread on the processor, where there is that, as on every card.
    measured.sort(key=lambda item: (item.device != "cpu", item.threads))
    latency = measured[0] if measured else None
    where = result.machine.cpu_model or result.machine.architecture
    return Figures(
        data=f"{result.data.name}, {result.data.split}",
        simulated=result.data.simulated,
        positive=result.data.positive,
        scores=drift.scores,
        auc=drift.auc,
        machine=f"{where}, threads: {latency.threads}" if latency else where,
        p50_ms=latency.p50_ms if latency else None,
        p90_ms=latency.p90_ms if latency else None,
        verdict=drift.change.verdict if drift.change else None,
        reference=result.reference,
        within={name: item.auc for name, item in drift.sources.items() if item.auc is not None},
    )
