"""A bench result as CSV and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cxr_edge import RESEARCH_ONLY, rows
from cxr_edge.benchmarks import wording
from cxr_edge.benchmarks.findings import Change, DriftReport
from cxr_edge.benchmarks.result import ArtifactResult, BenchResult, LatencyReport

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
_LATENCY_COLUMNS = (
    *("device", "kind", "threads", "runtime", "delegate", "runs", "p50_ms", "p90_ms", "p99_ms", "import_ms"),
    *("load_ms", "first_ms", "peak_mib", "increase_mib"),
)
CSV_COLUMNS = (
    *("artifact", "format", "quantization", "size_bytes", "failures"),
    *(*_DRIFT_COLUMNS, *_CHANGE_COLUMNS, *_LATENCY_COLUMNS, "research_only"),
)


def to_csv(result: BenchResult) -> str:
    """Return RFC 4180 records, a head and then one for each artifact, device and thread count."""
    return "".join([rows.csv_record(CSV_COLUMNS), *(_record(*pair) for pair in _pairs(result))])


def _pairs(result: BenchResult) -> Iterator[tuple[ArtifactResult, LatencyReport | None]]:
    for row in result.artifacts:
        for latency in row.latencies or (None,):
            yield row, latency


def _record(row: ArtifactResult, latency: LatencyReport | None) -> str:
    facts: dict[str, Any] = {
        "artifact": row.name,
        "format": row.format,
        "quantization": row.quantization,
        "size_bytes": row.size_bytes,
        "failures": "; ".join(row.failures),
        "research_only": RESEARCH_ONLY,
    }
    if row.drift is not None:
        facts |= _drift_facts(row.drift)
        facts |= {} if row.drift.change is None else _change_facts(row.drift.change)
    if latency is not None:
        facts |= {name: getattr(latency, name) for name in _LATENCY_COLUMNS}
    return rows.csv_record([rows.csv_cell(facts.get(column)) for column in CSV_COLUMNS])


def _drift_facts(drift: DriftReport) -> dict[str, Any]:
    names = ("accuracy", "sensitivity", "specificity", "calibration_error", "brier", "distinct_scores", "tied_pairs")
    return {name: getattr(drift, name) for name in names} | {
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


def to_markdown(result: BenchResult) -> str:
    """Return the result as a page of GitHub's Markdown. Names in it are text, whatever characters they have."""
    parts = [
        f"# Benchmark of {_text(result.model.name)}",
        f"**{RESEARCH_ONLY}**",
        f"Films: {_text(wording.describe_films(result))}. Changes are against {_text(result.reference)}, flips at the "
        f"threshold {result.model.threshold:.3f}; the verdict is on a loss of AUC of {result.options.margin:g}. "
        f"Measured {result.started} by cxr-edge {result.version}.",
        "## Drift",
        _table(
            ("artifact", "MB", "AUC [95 %]", "change of AUC [95 %]", "flips", "verdict", "sens / spec", "ECE", "Brier"),
            [_drift_row(row, len(result.data.films)) for row in result.artifacts],
        ),
        "\n".join(
            f"- {_text(row.name)}: **{outcome}**: {_text(reason)}"
            for row, outcome, reason in wording.explain_verdicts(result)
        ),
    ]
    for kind in dict.fromkeys(item.kind for row in result.artifacts for item in row.latencies):
        found = [(row, item) for row in result.artifacts for item in row.latencies if item.kind == kind]
        heads = ("artifact", "device", "threads", "p50 ms", "p90 ms", "p99 ms", "load ms", "peak MiB", "runs", "ran on")
        parts += [f"## Latency and memory, {_text(kind)}", _table(heads, [_latency_row(*pair) for pair in found])]
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


def _drift_row(row: ArtifactResult, films: int) -> list[str]:
    size, drift = wording.format_number(row.size_bytes / 1e6), row.drift
    if drift is None:
        return [row.name, size, "failed", *[""] * 6]
    change = drift.change
    changed = ["reference", "", ""]
    if change is not None:
        flips = f"{change.flips.count}/{films}"
        changed = [wording.format_interval(change.auc, sign="+"), flips, change.verdict.outcome]
    rates = f"{drift.sensitivity:.3f} / {drift.specificity:.3f}"
    figures = [f"{drift.calibration_error:.3f}", f"{drift.brier:.3f}"]
    return [row.name, size, wording.format_interval(drift.auc), *changed, rates, *figures]


def _latency_row(row: ArtifactResult, item: LatencyReport) -> list[str]:
    times = (item.p50_ms, item.p90_ms, item.p99_ms, item.load_ms)
    figures = [wording.format_number(value) for value in times]
    return [row.name, item.device, str(item.threads), *figures, f"{item.peak_mib:.0f}", str(item.runs), item.runtime]


def _table(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([_text(cell) for cell in row] for row in body)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(content: str) -> str:
    """Return `content` so that Markdown shows it as it is."""
    escaped = "".join(f"\\{char}" if char in "\\`*_[]<>|#" else char for char in wording.clean(content))
    return escaped.replace("&", "&amp;")
