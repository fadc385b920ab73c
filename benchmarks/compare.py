"""Two bench results side by side: what differs, and whether by more than the noise.

AUC and calls are compared film by film where both runs had the same films, else as two independent samples. Latencies
are compared over turns. What has no interval (size, memory) is shown without a judgement.
"""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from cxr_edge.benchmarks.drift.drift import count_flips
from cxr_edge.benchmarks.drift.drift_result import Flips
from cxr_edge.benchmarks.report.terminal import WIDTH, Columns, lay_out
from cxr_edge.benchmarks.result import phrases
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult, LatencyReport
from cxr_edge.metrics import paired, roc
from cxr_edge.metrics.intervals import Interval
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["Comparison", "LatencyDifference", "RowDifference", "compare", "describe"]

_COLUMNS: Columns = (
    ("artifact", 20, "<"),
    ("AUC A", 5, "<"),
    ("AUC B", 5, "<"),
    ("B - A [95 %]", 23, "<"),
    ("flips", 5, ">"),
    ("threads", 7, ">"),
    ("p50 A / B ms", 13, "<"),
    ("B / A [95 %]", 20, "<"),
    ("beyond", 6, "<"),
)


@dataclass(frozen=True)
class LatencyDifference:
    """An artifact's median latency in both runs on one device; `ratio` is B / A, None with one turn in either."""

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
    """An artifact of both runs. `same_file` says whether it is byte for byte the same.

    `auc` is B - A, `flips` those of B against A; both are None where one of them failed, `flips` where films differ.
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
    """What two runs have in common and how they differ. `paired` says whether both saw the same films."""

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
    """Compare the artifacts that both results have, by name."""
    paired = first.data.films == second.data.films and first.data.fingerprint == second.data.fingerprint
    same_machine = _machine(first) == _machine(second)
    ours, theirs = ({row.name: row for row in result.artifacts} for result in (first, second))
    return Comparison(
        paired=paired,
        same_machine=same_machine,
        rows=tuple(_compare_rows(ours[name], theirs[name], first, second, paired) for name in ours if name in theirs),
        only_first=tuple(name for name in ours if name not in theirs),
        only_second=tuple(name for name in theirs if name not in ours),
        warnings=tuple(_warn(first, second, paired, same_machine)),
    )


def describe(comparison: Comparison, first: str, second: str) -> str:
    """Return the comparison as text of at most 120 columns; `first` and `second` say what A and B are."""
    lines = [f"A: {phrases.clean(first)}", f"B: {phrases.clean(second)}", ""]
    lines += [lay_out(_COLUMNS, [title for title, _, _ in _COLUMNS])]
    lines += [lay_out(_COLUMNS, ["-" * width for _, width, _ in _COLUMNS])]
    for row in comparison.rows:
        lines += list(_lay_out_row(row))
    lines.append("")
    for paragraph in _explain(comparison):
        lines += textwrap.wrap(phrases.clean(paragraph), WIDTH, subsequent_indent="  ")
    return "\n".join([*lines, RESEARCH_ONLY])


def _machine(result: BenchResult) -> tuple[object, ...]:
    machine = result.machine
    return machine.cpu_model, machine.cores, machine.usable_cores, machine.memory_mib, machine.board


def _compare_rows(
    first: ArtifactResult, second: ArtifactResult, a: BenchResult, b: BenchResult, paired: bool
) -> RowDifference:
    auc = aucs = flips = None
    if first.drift is not None and second.drift is not None:
        aucs = first.drift.auc.value, second.drift.auc.value
        scores = [np.array(drift.scores) for drift in (first.drift, second.drift)]
        positive = [np.array(result.data.positive, dtype=np.bool_) for result in (a, b)]
        if paired:
            auc = roc.auc_change(scores[0], scores[1], positive[0])
            # At one threshold for both: a threshold that was moved is a difference too.
            flips = count_flips(scores[1] - b.model.threshold, scores[0] - a.model.threshold, positive[0], 0.0)
        else:
            auc = _unpaired(first.drift.auc, second.drift.auc)
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
    """Return the difference of two AUCs of different films. A limit cut at 1 is mirrored from the other side."""
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
            beyond = ratio is not None and _excludes(ratio, 1.0)
            yield LatencyDifference(
                *_place(item), other.p50_ms, item.p50_ms, ratio, beyond, (other.peak_mib, item.peak_mib)
            )


def _place(item: LatencyReport) -> tuple[str, str, int]:
    return item.device, item.kind, item.threads


def _excludes(interval: Interval, value: float) -> bool:
    return not interval.low <= value <= interval.high


def _warn(first: BenchResult, second: BenchResult, paired: bool, same_machine: bool) -> Iterator[str]:
    if not paired:
        yield (
            f"the films differ (A: {phrases.describe_films(first)}; B: {phrases.describe_films(second)}), so AUCs are "
            "compared as independent samples, which only large differences survive: bench both on the same films"
        )
    if not same_machine:
        yield "the machines differ, so latencies tell the machines apart as well as the artifacts"
    if first.model.threshold != second.model.threshold:
        yield (
            f"the thresholds differ ({first.model.threshold:.3f} and {second.model.threshold:.3f}); flips are of the "
            "calls, each at its own"
        )
    for name, result in (("A", first), ("B", second)):
        yield from (f"{name}: {text}" for text in result.warnings)


def _lay_out_row(row: RowDifference) -> Iterator[str]:
    auc = ["failed", "", "", ""] if row.aucs is None else [f"{row.aucs[0]:.3f}", f"{row.aucs[1]:.3f}", "", ""]
    if row.auc is not None:
        auc[2] = phrases.format_interval(row.auc, sign="+")
    auc[3] = "" if row.flips is None else str(row.flips.count)
    what = "AUC" if row.auc_beyond_noise else ""
    several = len({item.device for item in row.latencies}) > 1
    for number, item in enumerate(row.latencies or (None,)):
        times = ["", "", ""]
        beyond = what if number == 0 else ""
        if item is not None:
            ratio = "one turn" if item.ratio is None else phrases.format_ratio(item.ratio)
            pair = f"{phrases.format_number(item.first_ms)} / {phrases.format_number(item.second_ms)}"
            times = [str(item.threads), pair, ratio]
            beyond = ", ".join(part for part in (beyond, "p50" if item.beyond_noise else "") if part)
        name = row.name if number == 0 else f"  {item.device}" if several and item is not None else ""
        yield lay_out(_COLUMNS, [name, *(auc if number == 0 else [""] * 4), *times, beyond])


def _explain(comparison: Comparison) -> Iterator[str]:
    looked = 0
    for row in comparison.rows:
        looked += (row.auc is not None) + sum(item.ratio is not None for item in row.latencies)
        if row.auc is not None and row.auc_beyond_noise:
            yield f"{row.name}: AUC differs by more than the noise: {phrases.format_interval(row.auc, sign='+')}"
        if row.flips is not None and row.flips.count and row.flips.p_correct < 0.05:
            yield (
                f"{row.name}: {row.flips.spoiled} films are wrong in B that A had right, {row.flips.corrected} the "
                f"other way (McNemar {phrases.format_p(row.flips.p_correct)})"
            )
        for item in row.latencies:
            if item.ratio is not None and item.beyond_noise:
                how = "slower" if item.ratio.value > 1 else "faster"
                yield (
                    f"{row.name}: B is {how} on {item.device}, {item.threads} thread{'s' * (item.threads > 1)}, by "
                    f"more than the noise: {phrases.format_ratio(item.ratio)} of A's time"
                )
        if row.size_bytes[0] != row.size_bytes[1]:
            yield f"{row.name}: {row.size_bytes[0] / 1e6:.2f} MB in A, {row.size_bytes[1] / 1e6:.2f} MB in B"
    peaks = [f"{row.name} {max(item.peak_mib[0] for item in row.latencies):.0f} / "
             f"{max(item.peak_mib[1] for item in row.latencies):.0f}"
             for row in comparison.rows if row.latencies]  # fmt: skip
    if peaks:
        yield f"peak memory in MiB, A / B: {', '.join(peaks)}"
    for which, names in (("A", comparison.only_first), ("B", comparison.only_second)):
        if names:
            yield f"only in {which}: {', '.join(names)}"
    how = "paired DeLong, the same films" if comparison.paired else "independent samples"
    yield (
        f"beyond: the 95 % interval leaves out no difference; AUC by {how}, p50 by a bootstrap over turns; {looked} "
        f"differences were looked at, of which about {looked / 20:.1f} would lie beyond by chance alone"
    )
    yield (
        "an interval knows the noise within the runs, not what changed between them, such as load or temperature: "
        "to compare the speed of two artifacts, put them into one bundle and one run"
    )
    yield from (f"warning: {text}" for text in comparison.warnings)
