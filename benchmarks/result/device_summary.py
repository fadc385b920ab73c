"""Artifacts by device, and the state of a processor in words, for every form of the report.

A device has one kind of figure. A report that shows each `Place` by itself therefore never mixes measured, emulated and
estimated figures in one column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_result import Condition, DeviceReport, LatencyReport

__all__ = ["UNKNOWN", "Place", "State", "describe_runtime", "explain", "group", "observe"]

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Place:
    """A device with the report of each artifact there."""

    device: str
    kind: str
    identity: str
    rows: tuple[tuple[ArtifactResult, DeviceReport], ...]


@dataclass(frozen=True)
class State:
    """The state of a processor over the turns of one latency; UNKNOWN where the system does not report it."""

    cores: str
    governor: str
    clock_mhz: str
    temperature_c: str
    throttling: str

    def describe(self) -> str:
        """Return the state as one line."""
        return (
            f"cores {self.cores}, governor {self.governor}, MHz {self.clock_mhz}, °C {self.temperature_c}, throttling "
            f"{self.throttling}"
        )


def group(result: BenchResult) -> list[Place]:
    """Return the devices of all artifacts' `elsewhere`, in the order of the options."""
    found: dict[tuple[str, str, str], list[tuple[ArtifactResult, DeviceReport]]] = {}
    for row in result.artifacts:
        for report in row.elsewhere:
            found.setdefault((report.device, report.kind, report.identity), []).append((row, report))
    return [Place(*key, tuple(rows)) for key, rows in found.items()]


def explain(place: Place) -> list[str]:
    """Return why there are no latencies and which artifacts do not run there, each reason once."""
    reasons: dict[tuple[bool, str], list[str]] = {}
    for row, report in place.rows:
        if report.withheld is not None:
            reasons.setdefault((report.drift is not None, report.withheld), []).append(row.name)
    return [
        f"no latency: {why}" if runs else f"no result for {', '.join(names)}: {why}"
        for (runs, why), names in reasons.items()
    ]


def observe(conditions: Sequence[Condition]) -> State:
    """Return the state over the turns: numbers as a range, words as a list."""
    throttled = [item.throttled for item in conditions if item.throttled is not None]
    facts = dict.fromkeys(fact for found in throttled for fact in found)
    cores = dict.fromkeys(", ".join(map(str, item.affinity)) for item in conditions if item.affinity is not None)
    governors = dict.fromkeys(item.governor for item in conditions if item.governor is not None)
    return State(
        cores=" or ".join(cores) or UNKNOWN,
        governor=", ".join(governors) or UNKNOWN,
        clock_mhz=_span((item.frequency_mhz for item in conditions), "{:.0f}".format),
        temperature_c=_span((item.temperature_c for item in conditions), "{:.0f}".format),
        throttling=", ".join(facts) or ("none" if throttled else UNKNOWN),
    )


def describe_runtime(item: LatencyReport) -> str:
    """Return what ran: the library, the delegate or provider, and its share of the graph's operations."""
    share = "" if item.coverage is None else f", {item.coverage:.0%} of the operations"
    return f"{item.runtime}: {item.delegate}{share}"


def _span(values: Iterable[float | None], form: Callable[[float], str]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return UNKNOWN
    return " to ".join(dict.fromkeys((form(min(known)), form(max(known)))))
