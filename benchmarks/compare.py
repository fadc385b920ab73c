"""Compare two bench results: what differs, and whether by more than the noise.

When both runs used the same images, AUC and predictions are compared image by image, else as two independent samples.
Latencies are compared over turns. Size and memory have no interval and are shown without a judgement.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from cxr_edge.benchmarks.drift.drift import count_flips
from cxr_edge.benchmarks.result import phrases
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_result import LatencyReport
from cxr_edge.benchmarks.result.drift_result import Flips
from cxr_edge.metrics import paired, roc
from cxr_edge.metrics.intervals import Interval
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["Comparison", "LatencyDifference", "RowDifference", "compare"]


@dataclass(frozen=True)
class LatencyDifference:
    """An artifact's median latency in both runs on one device; `ratio` is B / A, None if a run has only one turn."""

    device: str
    kind: str
    threads: int
    first_ms: float
    second_ms: float
    ratio: Interval | None
    beyond_noise: bool
    peak_mib: tuple[float, float]


@dataclass(frozen=True)
class RowDifference:
    """An artifact of both runs. `same_file` says whether its files are byte for byte equal.

    `auc` is B - A, `flips` counts the flips from A to B. Both are None when the artifact failed in a run; `flips` is
    also None when the images differ.
    """

    name: str
    same_file: bool
    size_bytes: tuple[int, int]
    auc: Interval | None
    aucs: tuple[float, float] | None
    auc_beyond_noise: bool
    flips: Flips | None
    latencies: tuple[LatencyDifference, ...]


@dataclass(frozen=True)
class Comparison:
    """What two runs have in common and how they differ. `paired` says whether both used the same images."""

    paired: bool
    same_machine: bool
    rows: tuple[RowDifference, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a JSON object."""
        return dataclasses.asdict(self) | {"schema": 1, "research_only": RESEARCH_ONLY}


def compare(first: BenchResult, second: BenchResult) -> Comparison:
    """Compare the artifacts that are in both results, by name."""
    paired = first.data.films == second.data.films and first.data.fingerprint == second.data.fingerprint
    same_machine = _machine(first) == _machine(second)
    ours = {row.name: row for row in first.artifacts}
    theirs = {row.name: row for row in second.artifacts}
    return Comparison(
        paired=paired,
        same_machine=same_machine,
        rows=tuple(_compare_rows(ours[name], theirs[name], first, second, paired) for name in ours if name in theirs),
        only_first=tuple(name for name in ours if name not in theirs),
        only_second=tuple(name for name in theirs if name not in ours),
        warnings=tuple(_warn(first, second, paired, same_machine)),
    )


def _machine(result: BenchResult) -> tuple[object, ...]:
    machine = result.machine
    return machine.cpu_model, machine.cores, machine.usable_cores, machine.memory_mib, machine.board


def _compare_rows(
    first: ArtifactResult, second: ArtifactResult, a: BenchResult, b: BenchResult, paired: bool
) -> RowDifference:
    aucs = auc = flips = None
    if first.drift is not None and second.drift is not None:
        aucs = first.drift.auc.value, second.drift.auc.value
        auc = _unpaired(first.drift.auc, second.drift.auc)
        if paired:
            positive = np.array(a.data.positive, dtype=np.bool_)
            before, after = np.array(first.drift.scores), np.array(second.drift.scores)
            auc = roc.auc_change(before, after, positive)
            # At one threshold for both: a threshold that was moved is a difference too.
            flips = count_flips(after - b.model.threshold, before - a.model.threshold, positive, 0.0)
    return RowDifference(
        name=first.name,
        same_file=first.sha256 == second.sha256,
        size_bytes=(first.size_bytes, second.size_bytes),
        auc=auc,
        aucs=aucs,
        auc_beyond_noise=auc is not None and _excludes(auc, 0.0),
        flips=flips,
        latencies=tuple(_compare_latencies(first, second)),
    )


def _unpaired(first: Interval, second: Interval) -> Interval:
    """Return the difference of two AUCs of different images. A limit cut at 1 is mirrored from the other side."""
    z = NormalDist().inv_cdf(0.975)
    errors = [max(item.value - item.low, item.high - item.value) / z for item in (first, second)]
    value, reach = second.value - first.value, z * math.hypot(*errors)
    return Interval(value, max(value - reach, -1.0), min(value + reach, 1.0))


def _compare_latencies(first: ArtifactResult, second: ArtifactResult) -> Iterator[LatencyDifference]:
    before = {_place(item): item for item in first.latencies}
    for item in second.latencies:
        other = before.get(_place(item))
        if other is not None:
            ratio = paired.ratio_over_turns(other.times_ms, item.times_ms)
            yield LatencyDifference(
                device=item.device,
                kind=item.kind,
                threads=item.threads,
                first_ms=other.p50_ms,
                second_ms=item.p50_ms,
                ratio=ratio,
                beyond_noise=ratio is not None and _excludes(ratio, 1.0),
                peak_mib=(other.peak_mib, item.peak_mib),
            )


def _place(item: LatencyReport) -> tuple[str, str, int]:
    return item.device, item.kind, item.threads


def _excludes(interval: Interval, value: float) -> bool:
    return not interval.low <= value <= interval.high


def _warn(first: BenchResult, second: BenchResult, paired: bool, same_machine: bool) -> Iterator[str]:
    if not paired:
        yield (
            "the images differ, so only large differences of AUC show; bench both on the same images. "
            f"A: {phrases.describe_films(first)}. B: {phrases.describe_films(second)}. AUCs count as independent"
        )
    if not same_machine:
        yield "the machines differ, so latencies do not compare the artifacts; bench both on one machine"
    if first.model.threshold != second.model.threshold:
        yield (
            f"the thresholds differ ({first.model.threshold:.3f} and {second.model.threshold:.3f}); flips are counted "
            "at each run's own threshold"
        )
    for name, result in (("A", first), ("B", second)):
        yield from (f"{name}: {text}" for text in result.warnings)
