"""The sections of the page that are about devices: latencies and what really ran, other devices, the device card.

Each kind of figure, measured, emulated or estimated, has tables of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from cxr_edge.benchmarks.report import marks
from cxr_edge.benchmarks.result import device_summary, phrases
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_result import DeviceReport, LatencyReport
from cxr_edge.benchmarks.result.device_summary import Place
from cxr_edge.report.html import note, section
from cxr_edge.report.svg import element, text

__all__ = ["show_card", "show_elsewhere", "show_latency"]

_TIME_HEADS = ("Artifact", "Device", "Threads", "p50 ms [95 %]", "p90 ms [95 %]", "p99 ms [95 %]", "First ms",
               "Load ms", "Import ms", "Films/s at batch", "Peak MiB", "Increase MiB", "Runs")  # fmt: skip
_RAN_HEADS = ("Artifact", "Device", "Threads", "Library", "Delegate or provider", "Coverage", "Cores", "Governor",
              "Clock MHz", "Temperature °C", "Throttling")  # fmt: skip
_DRIFT_HEADS = ("Artifact", "AUC [95 %]", "Change of AUC [95 %]", "Verdict", "Flips", "Largest change", "Mean change",
                "Off the same file here")  # fmt: skip
_ESTIMATE_HEADS = ("Artifact", "About ms", "Range ms", "By")

_TIMES = (
    "One film, pixels in to probabilities out, on films of the set, in fresh processes that take turns; intervals are "
    "bootstrapped over turns and their runs. First, load and import are medians over the turns. Films/s is for several "
    "films at once, where a format takes them. Increase is peak memory above that of an idle Python."
)
_RAN = (
    "What really ran: coverage is the share of the graph's operations that the delegate or provider took. Cores, "
    "governor, clock, temperature and throttling are as the system told them at the end of each turn."
)


def show_latency(result: BenchResult) -> Iterator[str]:
    """Yield a section for each kind of latency: the times, and what ran under which conditions."""
    pairs = [(row, item) for row in result.artifacts for item in row.latencies]
    for kind in dict.fromkeys(item.kind for _, item in pairs) or ("measured",):
        chosen = [(row, item) for row, item in pairs if item.kind == kind]
        yield section(
            f"Latency and memory, {kind}",
            note(_TIMES),
            marks.table(_TIME_HEADS, [(row, _escape(_time_cells(item))) for row, item in chosen]),
            note(_RAN),
            marks.table(_RAN_HEADS, [(row, _escape(_ran_cells(item))) for row, item in chosen]),
        )


def show_elsewhere(result: BenchResult) -> Iterator[str]:
    """Yield a section for each other device: drift of the answers there, or the estimate, and what is withheld."""
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
    """Return what the run was made with: the machine here, the devices, the bundle and the data."""
    machine, options, model = result.machine, result.options, result.model
    devices = dict.fromkeys(
        [(item.device, item.kind, item.identity) for row in result.artifacts for item in row.latencies]
        + [(found.device, found.kind, found.identity) for row in result.artifacts for found in row.elsewhere]
    )
    libraries = ", ".join(f"{name} {version}" for name, version in machine.libraries.items())
    memory = f"{machine.memory_mib / 1024:.1f} GiB" if machine.memory_mib is not None else "unknown"
    facts = {
        "Processor": f"{machine.cpu_model} ({machine.architecture}), {machine.usable_cores} of {machine.cores} cores",
        "Instructions": ", ".join(machine.cpu_features) or "none of those that matter here",
        "Board": machine.board or "",
        "Frequency governor": machine.governor or device_summary.UNKNOWN,
        "Memory": memory,
        "System": f"{machine.system}, Python {machine.python}",
        "Libraries": libraries,
        **{f"Device {device}": f"{kind}: {identity}" for device, kind, identity in devices},
        "Bundle": f"{model.name} ({model.architecture}), labels {', '.join(model.labels)}",
        "Data": f"{result.data.name}, SHA-256 {result.data.fingerprint[:16]}…",
        "Effort": f"at least {options.min_runs} runs and {options.min_time_s:g} s an artifact, "
        f"after {options.warmup_runs} to warm up; seed {options.seed}",
    }
    entries = (element("dt", text(key)) + element("dd", text(value)) for key, value in facts.items() if value)
    return section("Device and bundle", element("dl", *entries, class_="card"))


def _escape(cells: list[str]) -> list[str]:
    return [text(cell) for cell in cells]


def _time_cells(item: LatencyReport) -> list[str]:
    return [
        item.device,
        str(item.threads),
        *(phrases.format_times(value) for value in (item.p50, item.p90, item.p99)),
        *(phrases.format_number(value) for value in (item.first_ms, item.load_ms, item.import_ms)),
        device_summary.describe_batch(item),
        f"{item.peak_mib:.0f}",
        f"{item.increase_mib:.0f}",
        str(item.runs),
    ]


def _ran_cells(item: LatencyReport) -> list[str]:
    state = device_summary.observe(item.conditions)
    return [
        item.device,
        str(item.threads),
        item.runtime,
        item.delegate,
        device_summary.UNKNOWN if item.coverage is None else f"{item.coverage:.0%}",
        *(state.cores, state.governor, state.clock_mhz, state.temperature_c, state.throttling),
    ]


def _drift_table(place: Place, result: BenchResult) -> str:
    rows = [(row, _drift_cells(row, found, result)) for row, found in place.rows if found.drift is not None]
    if not rows:
        return ""
    explanation = (
        f"All films were answered there too. Changes are against {result.reference} as it ran here; the last column is "
        "the largest difference of a probability from the same file's here."
    )
    return note(explanation) + marks.table(_DRIFT_HEADS, rows)


def _drift_cells(row: ArtifactResult, found: DeviceReport, result: BenchResult) -> list[str]:
    drift, gap = found.drift, device_summary.find_gap(row, found)
    if drift is None or drift.change is None:
        return [""] * 7
    change = drift.change
    return [
        phrases.format_interval(drift.auc),
        phrases.format_interval(change.auc, sign="+"),
        marks.badge(change.verdict.outcome),
        f"{change.flips.count}/{len(result.data.films)}",
        f"{change.largest:.4f}",
        f"{change.mean:.4f}",
        "" if gap is None else f"{gap:.2g}",
    ]


def _estimate_table(place: Place) -> str:
    rows = [
        (
            row,
            [
                phrases.format_number(figure.p50_ms),
                f"{phrases.format_number(figure.low_ms)} to {phrases.format_number(figure.high_ms)}",
                element("div", text(figure.source), class_="words"),
            ],
        )
        for row, found in place.rows
        if (figure := found.estimate) is not None
    ]
    return marks.table(_ESTIMATE_HEADS, rows) if rows else ""
