"""A bench result as CSV and as Markdown.

Emulated and estimated figures have columns of their own in the one and tables of their own in the other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from cxr_edge.benchmarks.result import device_summary, phrases
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_result import EMULATED, HERE, DeviceReport, LatencyReport
from cxr_edge.benchmarks.result.device_summary import Place
from cxr_edge.benchmarks.result.drift_result import Change, DriftReport
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.system.text import csv_cell, csv_record

__all__ = ["CSV_COLUMNS", "to_csv", "to_markdown"]

_DRIFT_COLUMNS = (
    *("auc", "auc_low", "auc_high", "accuracy", "sensitivity", "specificity", "sensitivity_at", "sensitivity_at_low"),
    *("sensitivity_at_high", "calibration_error", "brier", "distinct_scores", "tied_pairs"),
    *("refitted_threshold", "refitted_sensitivity", "refitted_specificity"),
)
_CHANGE_COLUMNS = (
    *("auc_change", "auc_change_low", "auc_change_high", "verdict", "images_needed", "flips", "spoiled", "corrected"),
    *("p_correct", "to_positive", "to_negative", "p_calls", "largest_change", "mean_change"),
)
_PLACE_COLUMNS = ("device", "kind", "identity", "threads")
_LATENCY_COLUMNS = (
    *("runtime", "delegate", "coverage", "runs", "p50_ms", "p50_low_ms", "p50_high_ms", "p90_ms", "p90_low_ms"),
    *("p90_high_ms", "p99_ms", "p99_low_ms", "p99_high_ms", "import_ms", "load_ms", "first_ms", "batch"),
    *("films_per_s", "peak_mib", "increase_mib", "cores", "governor", "clock_mhz", "temperature_c", "throttling"),
)
_EMULATED_COLUMNS = tuple(f"emulated_{name}" for name in (*_DRIFT_COLUMNS, *_CHANGE_COLUMNS))
_ESTIMATED_COLUMNS = ("estimated_p50_ms", "estimated_low_ms", "estimated_high_ms", "estimated_source")
CSV_COLUMNS = (
    *("artifact", "format", "quantization", "size_bytes", "failures", *_PLACE_COLUMNS),
    *(*_DRIFT_COLUMNS, *_CHANGE_COLUMNS, *_LATENCY_COLUMNS, *_EMULATED_COLUMNS, *_ESTIMATED_COLUMNS),
    *("withheld", "research_only"),
)


def to_csv(result: BenchResult) -> str:
    """Return RFC 4180 records: a head, then one for each artifact, device and thread count.

    Drift is of the answers on the record's device. What is emulated or estimated is in columns of its own.
    """
    records = (csv_record([csv_cell(facts.get(name)) for name in CSV_COLUMNS]) for facts in _records(result))
    return "".join([csv_record(CSV_COLUMNS), *records])


def _records(result: BenchResult) -> Iterator[dict[str, Any]]:
    for row in result.artifacts:
        drifts = dict.fromkeys(HERE, row.drift) | {found.device: found.drift for found in row.elsewhere}
        timed = {latency.device for latency in row.latencies}
        own = _row_facts(row)
        for latency in row.latencies:
            yield own | _drift_facts(drifts.get(latency.device)) | _latency_facts(latency)
        if not timed.intersection(HERE):
            # What it answered here, though it was not timed here.
            yield own | _drift_facts(row.drift)
        for found in row.elsewhere:
            if found.device not in timed:
                yield own | _elsewhere_facts(found)


def _row_facts(row: ArtifactResult) -> dict[str, Any]:
    return {
        "artifact": row.name,
        "format": row.format,
        "quantization": row.quantization,
        "size_bytes": row.size_bytes,
        "failures": "; ".join(row.failures),
        "research_only": RESEARCH_ONLY,
    }


def _latency_facts(latency: LatencyReport) -> dict[str, Any]:
    state = dataclasses.asdict(device_summary.observe(latency.conditions))
    names = [name for name in (*_PLACE_COLUMNS, *_LATENCY_COLUMNS) if hasattr(latency, name)]
    return (
        {name: value for name, value in state.items() if value != device_summary.UNKNOWN}
        | {name: getattr(latency, name) for name in names}
        | {
            f"{name}_{end}_ms": getattr(getattr(latency, name), end)
            for name in ("p50", "p90", "p99")
            for end in ("low", "high")
        }
    )


def _elsewhere_facts(found: DeviceReport) -> dict[str, Any]:
    facts: dict[str, Any] = {name: getattr(found, name) for name in ("device", "kind", "identity", "withheld")}
    drift = _drift_facts(found.drift)
    facts |= {f"emulated_{name}": value for name, value in drift.items()} if found.kind == EMULATED else drift
    if found.estimate is not None:
        figure = found.estimate
        facts |= dict(
            zip(_ESTIMATED_COLUMNS, (figure.p50_ms, figure.low_ms, figure.high_ms, figure.source), strict=True)
        )
    return facts


def _drift_facts(drift: DriftReport | None) -> dict[str, Any]:
    if drift is None:
        return {}
    names = ("accuracy", "sensitivity", "specificity", "calibration_error", "brier", "distinct_scores", "tied_pairs")
    changed = {} if drift.change is None else _change_facts(drift.change)
    return (
        changed
        | {name: getattr(drift, name) for name in names}
        | {
            "auc": drift.auc.value,
            "auc_low": drift.auc.low,
            "auc_high": drift.auc.high,
            "sensitivity_at": drift.sensitivity_at.value,
            "sensitivity_at_low": drift.sensitivity_at.low,
            "sensitivity_at_high": drift.sensitivity_at.high,
            "refitted_threshold": drift.transfer.threshold,
            "refitted_sensitivity": drift.transfer.sensitivity,
            "refitted_specificity": drift.transfer.specificity,
        }
    )


def _change_facts(change: Change) -> dict[str, Any]:
    names = ("spoiled", "corrected", "p_correct", "to_positive", "to_negative", "p_calls")
    return {name: getattr(change.flips, name) for name in names} | {
        "auc_change": change.auc.value,
        "auc_change_low": change.auc.low,
        "auc_change_high": change.auc.high,
        "verdict": change.verdict.outcome,
        "images_needed": change.verdict.images_needed,
        "flips": change.flips.count,
        "largest_change": change.largest,
        "mean_change": change.mean,
    }


_DRIFT_HEADS = ("artifact", "MB", "AUC [95 %]", "change of AUC [95 %]", "flips", "verdict", "sens / spec", "ECE",
                "Brier")  # fmt: skip
_TIME_HEADS = ("artifact", "device", "threads", "p50 ms [95 %]", "p90 ms [95 %]", "p99 ms [95 %]", "load ms",
               "films/s at batch", "peak MiB", "runs")  # fmt: skip
_RAN_HEADS = ("artifact", "device", "threads", "ran on", "cores", "governor", "clock MHz", "°C",
              "throttling")  # fmt: skip


def to_markdown(result: BenchResult) -> str:
    """Return the result as a page of GitHub's Markdown. Names in it are text, whatever characters they have."""
    films = len(result.data.films)
    parts = [
        f"# Benchmark of {_text(result.model.name)}",
        f"**{RESEARCH_ONLY}**",
        f"Films: {_text(phrases.describe_films(result))}. Changes are against {_text(result.reference)}, flips at the "
        f"threshold {result.model.threshold:.3f}; the verdict is on a loss of AUC of {result.options.margin:g}. "
        f"Measured {result.started} by cxr-edge {result.version}.",
        "## Drift",
        _table(
            _DRIFT_HEADS,
            [_drift_row(row, row.drift, films) for row in result.artifacts],
        ),
        "\n".join(
            f"- {_text(row.name)}: **{outcome}**: {_text(reason)}"
            for row, outcome, reason in phrases.explain_verdicts(result)
        ),
    ]
    parts += [
        *_latency_parts(result),
        *(part for place in device_summary.group(result) for part in _place_parts(place, films)),
    ]
    machine = result.machine
    parts.append(
        f"Machine: {_text(machine.cpu_model)}, {machine.usable_cores} of {machine.cores} cores, "
        f"{_text(machine.system)}, Python {machine.python}."
    )
    notes = [f"failed: {reason}" for row in result.artifacts for reason in row.failures]
    notes += [f"warning: {text}" for text in result.warnings]
    notes += [
        f"budget missed: {miss.artifact}: {miss.fact}" for miss in (result.budget.misses if result.budget else ())
    ]
    parts.append("\n".join(f"- {_text(note)}" for note in notes))
    return "\n\n".join(part for part in parts if part) + "\n"


def _latency_parts(result: BenchResult) -> Iterator[str]:
    pairs = [(row, item) for row in result.artifacts for item in row.latencies]
    for kind in dict.fromkeys(item.kind for _, item in pairs):
        found = [(row, item) for row, item in pairs if item.kind == kind]
        yield f"## Latency and memory, {_text(kind)}"
        yield _table(_TIME_HEADS, [_time_row(*pair) for pair in found])
        yield _table(_RAN_HEADS, [_ran_row(*pair) for pair in found])


def _place_parts(place: Place, films: int) -> Iterator[str]:
    yield f"## {_text(place.device)}, {place.kind}"
    yield f"{_text(place.identity)}."
    answered = [_drift_row(row, found.drift, films) for row, found in place.rows if found.drift is not None]
    if answered:
        yield _table(_DRIFT_HEADS, answered)
    estimates = [
        [row.name, *map(phrases.format_number, (figure.p50_ms, figure.low_ms, figure.high_ms)), figure.source]
        for row, found in place.rows
        if (figure := found.estimate) is not None
    ]
    if estimates:
        yield _table(("artifact", "about ms", "at least ms", "at most ms", "by"), estimates)
    yield "\n".join(f"- {_text(reason)}" for reason in device_summary.explain(place))


def _drift_row(row: ArtifactResult, drift: DriftReport | None, films: int) -> list[str]:
    size = phrases.format_number(row.size_bytes / 1e6)
    if drift is None:
        return [row.name, size, "failed", *[""] * 6]
    change = drift.change
    changed = ["reference", "", ""]
    if change is not None:
        flips = f"{change.flips.count}/{films}"
        changed = [phrases.format_interval(change.auc, sign="+"), flips, change.verdict.outcome]
    rates = f"{drift.sensitivity:.3f} / {drift.specificity:.3f}"
    figures = [f"{drift.calibration_error:.3f}", f"{drift.brier:.3f}"]
    return [row.name, size, phrases.format_interval(drift.auc), *changed, rates, *figures]


def _time_row(row: ArtifactResult, item: LatencyReport) -> list[str]:
    times = [phrases.format_times(value) for value in (item.p50, item.p90, item.p99)]
    figures = [
        phrases.format_number(item.load_ms),
        device_summary.describe_batch(item),
        f"{item.peak_mib:.0f}",
        str(item.runs),
    ]
    return [row.name, item.device, str(item.threads), *times, *figures]


def _ran_row(row: ArtifactResult, item: LatencyReport) -> list[str]:
    state = dataclasses.astuple(device_summary.observe(item.conditions))
    return [row.name, item.device, str(item.threads), device_summary.describe_runtime(item), *state]


def _table(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([_text(cell) for cell in row] for row in body)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(content: str) -> str:
    """Return `content` so that Markdown shows it as it is."""
    escaped = "".join(f"\\{char}" if char in "\\`*_[]<>|#" else char for char in phrases.clean(content))
    return escaped.replace("&", "&amp;")
