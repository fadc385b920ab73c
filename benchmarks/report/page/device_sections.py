"""The sections of the page about devices: latencies, what ran, other devices, the device card.

Each kind of figure, measured, emulated or estimated, has tables of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cxr_edge.benchmarks.report.page import marks
from cxr_edge.benchmarks.result import device_summary, drift_figures, estimate_figures, timing_figures
from cxr_edge.benchmarks.result.bench_result import BenchResult
from cxr_edge.benchmarks.result.device_result import MEASURED, LatencyReport
from cxr_edge.benchmarks.result.device_summary import Place
from cxr_edge.benchmarks.result.predictions_source import Predictions
from cxr_edge.report.html import note, section
from cxr_edge.report.svg import element, text

__all__ = ["show_card", "show_elsewhere", "show_latency"]

_PLACES: Sequence[tuple[str, Callable[[LatencyReport], str]]] = (
    ("Device", lambda item: item.device),
    ("Threads", lambda item: str(item.threads)),
)

_TIMES = (
    "The time of one image, from pixels to probabilities, in new processes that take turns. Intervals are bootstrapped "
    "over turns and their runs. First, load and import are medians over the turns. Images/s is the rate for several "
    "images at once, for formats that allow it. Increase is the peak memory above that of an idle Python."
)
_RAN = (
    "What ran: coverage is the share of the graph's operations that the delegate or provider ran. The system reported "
    "cores, governor, clock, temperature and throttling at the end of each turn."
)


def show_latency(result: BenchResult) -> str:
    """Return the section of the latencies: the times, and what ran under which conditions."""
    rows = [(row, item) for row in result.artifacts for item in row.latencies]
    return section(
        f"Latency and memory, {MEASURED}",
        note(_TIMES),
        marks.table(timing_figures.PAGE, rows, places=_PLACES),
        note(_RAN),
        marks.table(timing_figures.PAGE_RAN, rows, places=_PLACES),
    )


def show_elsewhere(result: BenchResult) -> Iterator[str]:
    """Yield a section for each other device: the drift there, or the estimate, and what is withheld."""
    for place in device_summary.group(result):
        reasons = (
            element("li", text(reason[0].upper() + reason[1:] + ".")) for reason in device_summary.explain(place)
        )
        yield section(
            f"{place.device}, {place.kind}",
            element("p", text(f"{place.identity}.")),
            _drift_table(place, result),
            _estimate_table(place),
            element("ul", *reasons, class_="facts"),
        )


def show_card(result: BenchResult) -> str:
    """Return what the run used: this machine, the devices, the bundle and the data."""
    machine, options, model = result.machine, result.options, result.model
    devices = dict.fromkeys(
        [(item.device, item.kind, item.identity) for row in result.artifacts for item in row.latencies]
        + [(found.device, found.kind, found.identity) for row in result.artifacts for found in row.elsewhere]
    )
    libraries = ", ".join(f"{name} {version}" for name, version in machine.libraries.items())
    memory = f"{machine.memory_mib / 1024:.1f} GiB" if machine.memory_mib is not None else "unknown"
    facts = {
        "Processor": f"{machine.cpu_model} ({machine.architecture}), {machine.usable_cores} of {machine.cores} cores",
        "Instructions": ", ".join(machine.cpu_features) or "none that speeds up 8-bit arithmetic",
        "Board": machine.board or "",
        "Frequency governor": machine.governor or device_summary.UNKNOWN,
        "Memory": memory,
        "System": f"{machine.system}, Python {machine.python}",
        "Libraries": libraries,
        **{f"Device {device}": f"{kind}: {identity}" for device, kind, identity in devices},
        "Bundle": f"{model.name} ({model.architecture}), labels {', '.join(model.labels)}",
        "Data": f"{result.data.name}, SHA-256 {result.data.fingerprint[:16]}…",
        "Effort": f"at least {options.min_runs} runs and {options.min_time_s:g} s for each artifact, "
        f"after {options.warmup_runs} warm-up runs; seed {options.seed}",
    }
    entries = (element("dt", text(key)) + element("dd", text(value)) for key, value in facts.items() if value)
    return section("Device and bundle", element("dl", *entries, class_="card"))


def _drift_table(place: Place, result: BenchResult) -> str:
    rows = [(row, Predictions(row, found.drift)) for row, found in place.rows if found.drift is not None]
    if not rows:
        return ""
    explanation = (
        f"The artifacts predicted all images there too. Changes are against {result.reference} on this machine. The "
        "last column is the largest difference of a probability from that of the same file on this machine."
    )
    return note(explanation) + marks.table(drift_figures.PAGE_ELSEWHERE, rows)


def _estimate_table(place: Place) -> str:
    rows = [(row, found.estimate) for row, found in place.rows if found.estimate is not None]
    return marks.table(estimate_figures.PAGE, rows) if rows else ""
