"""The figures of latency, memory and what ran, each declared once, and the tables in which every form shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from cxr_edge.benchmarks.result import device_summary, phrases
from cxr_edge.benchmarks.result.device_result import LatencyReport
from cxr_edge.benchmarks.result.device_summary import UNKNOWN, State
from cxr_edge.benchmarks.result.figures import Column, Figure, Table, as_page_table, as_table
from cxr_edge.metrics.intervals import Interval

__all__ = ["CSV", "JUNIT", "MARKDOWN", "MARKDOWN_RAN", "PAGE", "PAGE_RAN", "SUMMARY", "TERMINAL"]


def _of_state(read: Callable[[State], str]) -> Callable[[LatencyReport], str | None]:
    def read_state(item: LatencyReport) -> str | None:
        fact = read(device_summary.observe(item.conditions))
        return None if fact == UNKNOWN else fact

    return read_state


def _say_unknown(item: LatencyReport) -> str:
    return UNKNOWN


def _rounded(value: float) -> str:
    return f"{value:.0f}"


def _read_throughput(item: LatencyReport) -> tuple[float, int] | None:
    """Return images per second and the batch size; None for a format with a batch of one."""
    return None if item.films_per_s is None else (item.films_per_s, item.batch)


P50 = Figure[LatencyReport, Interval](
    "p50",
    unit="ms",
    meaning="Median time of one image over all timed runs, bootstrapped over turns and their runs",
    read=lambda item: item.p50,
    show=phrases.format_times,
    csv=("p50_ms", "p50_low_ms", "p50_high_ms"),
    interval=True,
)
P90 = dataclasses.replace(
    P50,
    title="p90",
    meaning="90 % of all timed runs take at most this time for one image",
    read=lambda item: item.p90,
    csv=("p90_ms", "p90_low_ms", "p90_high_ms"),
)
P99 = dataclasses.replace(
    P50,
    title="p99",
    meaning="99 % of all timed runs take at most this time for one image",
    read=lambda item: item.p99,
    csv=("p99_ms", "p99_low_ms", "p99_high_ms"),
)
PERCENTILES = Figure[LatencyReport, tuple[float, ...]](
    "p50 / p90 / p99",
    unit="ms",
    meaning="50, 90 and 99 % of all timed runs take at most this time for one image",
    read=lambda item: (item.p50_ms, item.p90_ms, item.p99_ms),
    show=lambda times: " / ".join(phrases.format_number(value) for value in times),
)
IMPORT = Figure[LatencyReport, float](
    "import",
    unit="ms",
    meaning="Time to import the runtime's library, the median over the turns",
    read=lambda item: item.import_ms,
    show=phrases.format_number,
    csv=("import_ms",),
)
LOAD = Figure[LatencyReport, float](
    "load",
    unit="ms",
    meaning="Time to load the artifact, the median over the turns",
    read=lambda item: item.load_ms,
    show=phrases.format_number,
    csv=("load_ms",),
)
FIRST = Figure[LatencyReport, float](
    "first",
    unit="ms",
    meaning="Time of the first image, the median over the turns",
    read=lambda item: item.first_ms,
    show=phrases.format_number,
    csv=("first_ms",),
)
BATCH = Figure[LatencyReport, int](
    "batch",
    meaning="How many images are predicted at once for the throughput",
    read=lambda item: item.batch,
    show=str,
    csv=("batch",),
)
THROUGHPUT = Figure[LatencyReport, tuple[float, int]](
    "images/s at batch",
    meaning="Images per second in batches, and the size of a batch, for formats that allow batches",
    read=_read_throughput,
    show=lambda found: f"{phrases.format_number(found[0])} at {found[1]}",
    csv=("films_per_s",),
    split=lambda found: found[:1],
)
PEAK = Figure[LatencyReport, float](
    "peak",
    unit="MiB",
    meaning="Peak memory of a new process, the largest of the turns",
    read=lambda item: item.peak_mib,
    show=_rounded,
    csv=("peak_mib",),
)
INCREASE = Figure[LatencyReport, float](
    "increase",
    unit="MiB",
    meaning="Peak memory above that of an idle Python",
    read=lambda item: item.increase_mib,
    show=_rounded,
    csv=("increase_mib",),
)
RUNS = Figure[LatencyReport, int](
    "runs",
    meaning="How many runs were timed",
    read=lambda item: item.runs,
    show=str,
    csv=("runs",),
)
LIBRARY = Figure[LatencyReport, str](
    "library",
    meaning="The runtime and its version",
    read=lambda item: item.runtime,
    show=str,
    csv=("runtime",),
)
DELEGATE = Figure[LatencyReport, str](
    "delegate or provider",
    meaning="The part of the runtime that runs the operations",
    read=lambda item: item.delegate,
    show=str,
    csv=("delegate",),
)
COVERAGE = Figure[LatencyReport, float](
    "coverage",
    meaning="Share of the graph's operations that the delegate or provider ran",
    read=lambda item: item.coverage,
    show="{:.0%}".format,
    blank=_say_unknown,
    csv=("coverage",),
)
RAN_ON = Figure[LatencyReport, str](
    "ran on",
    meaning="The library, the delegate or provider, and its share of the graph's operations",
    read=device_summary.describe_runtime,
    show=str,
)
CORES = Figure[LatencyReport, str](
    "cores",
    meaning="The cores that the process might use",
    read=_of_state(lambda state: state.cores),
    show=str,
    blank=_say_unknown,
    csv=("cores",),
)
GOVERNOR = Figure[LatencyReport, str](
    "governor",
    meaning="The system's rule that sets the clock",
    read=_of_state(lambda state: state.governor),
    show=str,
    blank=_say_unknown,
    csv=("governor",),
)
CLOCK = Figure[LatencyReport, str](
    "clock",
    unit="MHz",
    meaning="Clock at the end of each turn, from the lowest to the highest",
    read=_of_state(lambda state: state.clock_mhz),
    show=str,
    blank=_say_unknown,
    csv=("clock_mhz",),
)
TEMPERATURE = Figure[LatencyReport, str](
    "temperature",
    unit="°C",
    meaning="Temperature at the end of each turn, from the lowest to the highest",
    read=_of_state(lambda state: state.temperature_c),
    show=str,
    blank=_say_unknown,
    csv=("temperature_c",),
)
THROTTLING = Figure[LatencyReport, str](
    "throttling",
    meaning="What the firmware of a Raspberry Pi reports about throttling",
    read=_of_state(lambda state: state.throttling),
    show=str,
    blank=_say_unknown,
    csv=("throttling",),
)
STATE = Figure[LatencyReport, State](
    "state",
    meaning="Cores, governor, clock, temperature and throttling",
    read=lambda item: device_summary.observe(item.conditions),
    show=State.describe,
)

_STATES = (CORES, GOVERNOR, CLOCK, TEMPERATURE, THROTTLING)

MEDIAN = dataclasses.replace(
    P50,
    meaning="Median time of one image over all timed runs",
    show=lambda time: phrases.format_number(time.value),
    interval=False,
)

# The time comes first: a summary repeats it for each device on which artifacts were timed.
SUMMARY: Table[LatencyReport] = (
    Column(MEDIAN, "p50 ms", 10, ">"),
    Column(PEAK, "MiB", 4, ">"),
)
TERMINAL: Table[LatencyReport] = (
    Column(PERCENTILES, "p50 / p90 / p99 ms", 18),
    Column(PEAK, "peak MiB", 8, ">"),
    Column(RUNS, "runs", 6, ">"),
)
MARKDOWN: Table[LatencyReport] = as_table((P50, P90, P99, LOAD, THROUGHPUT, PEAK, RUNS))
MARKDOWN_RAN: Table[LatencyReport] = (
    *as_table((RAN_ON, CORES, GOVERNOR, CLOCK)),
    Column(TEMPERATURE, "°C"),
    *as_table((THROTTLING,)),
)
PAGE: Table[LatencyReport] = as_page_table((P50, P90, P99, FIRST, LOAD, IMPORT, THROUGHPUT, PEAK, INCREASE, RUNS))
PAGE_RAN: Table[LatencyReport] = as_page_table((LIBRARY, DELEGATE, COVERAGE, *_STATES))
JUNIT: Table[LatencyReport] = (
    Column(P50, "p50"),
    Column(P90, "p90"),
    Column(P99, "p99"),
    Column(THROUGHPUT, "images/s"),
    Column(RAN_ON, ""),
    Column(STATE, ""),
)
CSV: Table[LatencyReport] = (
    *as_table((LIBRARY, DELEGATE, COVERAGE, RUNS, P50, P90, P99, IMPORT, LOAD, FIRST, BATCH, THROUGHPUT)),
    *as_table((PEAK, INCREASE, *_STATES)),
)
