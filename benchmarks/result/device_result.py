"""Results about devices, as frozen dataclasses: this machine, and the times and memory of an artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cxr_edge.benchmarks.result.drift_result import DriftReport
from cxr_edge.metrics.intervals import Interval

__all__ = [
    "EMULATED",
    "ESTIMATED",
    "HERE",
    "MEASURED",
    "Condition",
    "DeviceReport",
    "Estimate",
    "LatencyReport",
    "Machine",
]

MEASURED, EMULATED, ESTIMATED = "measured", "emulated", "estimated"
"""The kinds of figures. A device has one kind, and no table mixes two kinds."""

HERE = ("cpu", "pi")
"""The devices that are this machine's processor. Every artifact always predicts there."""


@dataclass(frozen=True)
class Machine:
    """The machine of a bench run. `board`, `governor` and memory are None if the system does not report them.

    `cores` counts the cores of the system, `usable_cores` those that this process may use. No field holds a host name
    or user name.
    """

    cpu_model: str
    cpu_features: tuple[str, ...]
    architecture: str
    cores: int
    usable_cores: int
    memory_mib: int | None
    board: str | None
    governor: str | None
    system: str
    python: str
    libraries: Mapping[str, str]


@dataclass(frozen=True)
class Condition:
    """The state of the processor at the end of a turn; None where the system does not report it."""

    affinity: tuple[int, ...] | None
    governor: str | None
    frequency_mhz: float | None
    temperature_c: float | None
    throttled: tuple[str, ...] | None


@dataclass(frozen=True)
class LatencyReport:
    """One artifact on one device with one thread count. Times are for one image, from pixels to probabilities.

    `kind` is always MEASURED: a device with other figures has a `DeviceReport` and no latency. `import_ms`, `load_ms`
    and `first_ms` are medians over the turns; memory is the maximum over the turns. `times_ms` keeps every timed run,
    one tuple for each turn.

    `p50`, `p90` and `p99` are the percentiles with 95 % intervals. `coverage` is the share of the graph's operations
    that the delegate or provider ran. `films_per_s` is the number of images per second in batches of `batch`, None for
    a format with a fixed batch of one. `conditions` has the processor's state at the end of each turn.
    """

    device: str
    kind: str
    threads: int
    runtime: str
    delegate: str
    runs: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    import_ms: float
    load_ms: float
    first_ms: float
    peak_mib: float
    increase_mib: float
    times_ms: tuple[tuple[float, ...], ...]
    p50: Interval
    p90: Interval
    p99: Interval
    identity: str = ""
    withheld: str | None = None
    coverage: float | None = None
    batch: int = 1
    films_per_s: float | None = None
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Estimate:
    """A published time of a board, or one derived from published times, with its range and source."""

    p50_ms: float
    low_ms: float
    high_ms: float
    source: str


@dataclass(frozen=True)
class DeviceReport:
    """An artifact on a device other than this machine's processor. The artifact's `latencies` has measured times.

    `drift` compares its predictions there with those of the reference on this machine. `withheld` says why there is
    no latency, or why the device does not run the artifact.
    """

    device: str
    kind: str
    identity: str
    drift: DriftReport | None
    estimate: Estimate | None
    withheld: str | None
