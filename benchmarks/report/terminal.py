"""A bench result as text for a terminal, at most 120 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from cxr_edge.benchmarks.result import device_summary, phrases
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_result import Condition, DeviceReport, LatencyReport
from cxr_edge.benchmarks.result.device_summary import Place
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["WIDTH", "Columns", "head", "lay_out", "table"]

WIDTH = 120

Columns = Sequence[tuple[str, int, str]]

_COLUMNS: Columns = (
    # title, width, alignment
    ("artifact", 20, "<"),
    ("MB", 5, ">"),
    ("AUC [95 %]", 20, "<"),
    ("change of AUC [95 %]", 23, "<"),
    ("flips", 9, ">"),
    ("verdict", 7, "<"),
    ("p50 / p90 / p99 ms", 18, "<"),
    ("MiB", 4, ">"),
)
_DETAILS: Columns = (
    ("artifact", 20, "<"),
    ("sens / spec", 13, "<"),
    ("fitted anew", 24, "<"),
    ("change of sens at spec", 23, "<"),
    ("ECE", 5, ">"),
    ("Brier", 5, ">"),
    ("max|dp|", 7, ">"),
    ("scores", 8, ">"),
)
_OTHERS: Columns = (
    ("artifact", 20, "<"),
    ("device", 30, "<"),
    ("threads", 7, ">"),
    ("p50 / p90 / p99 ms", 18, "<"),
    ("MiB", 4, ">"),
)
_MEASURED = "measured"


def table(result: BenchResult) -> str:
    """Return the result as text of at most 120 columns, the research-only line last."""
    lines = list(head(_COLUMNS))
    for row in result.artifacts:
        lines.extend(_lay_out_row(row, result))
    for kind in dict.fromkeys(item.kind for row in result.artifacts for item in row.latencies):
        if kind != _MEASURED:
            lines += ["", phrases.clean(kind), *head(_OTHERS), *_lay_out_others(result, kind)]
    lines += ["", *head(_DETAILS)]
    lines += [lay_out(_DETAILS, _detail_cells(row)) for row in result.artifacts if row.drift is not None]
    lines.append("")
    for place in device_summary.group(result):
        lines += [*_lay_out_place(place, result.reference), ""]
    for paragraph in _describe(result):
        lines += _wrap(paragraph)
    return "\n".join([*lines, RESEARCH_ONLY])


def lay_out(columns: Columns, cells: Sequence[str]) -> str:
    """Return one line of a table; the first cell is cut in its middle where it is too long."""
    named = (_shorten(phrases.clean(cells[0]), columns[0][1]), *cells[1:])
    padded = (f"{cell:{align}{width}}" for cell, (_, width, align) in zip(named, columns, strict=True))
    return "  ".join(padded).rstrip()


def head(columns: Columns) -> Iterator[str]:
    """Yield the titles of a table and the rule below them."""
    yield lay_out(columns, [title for title, _, _ in columns])
    yield lay_out(columns, ["-" * width for _, width, _ in columns])


def _lay_out_row(row: ArtifactResult, result: BenchResult) -> Iterator[str]:
    measured = [item for item in row.latencies if item.kind == _MEASURED]
    first, rest = measured[:1], measured[1:]
    size = phrases.format_number(row.size_bytes / 1e6)
    if row.drift is not None or row.latencies:
        yield lay_out(
            _COLUMNS, [row.name, size, *_drift_cells(row, result), *_latency_cells(first[0] if first else None)]
        )
    else:
        yield lay_out(_COLUMNS, [row.name, size, "failed", "", "", "", "", ""])
    for latency in rest:
        name = f"{latency.device}, " * (len({item.device for item in measured}) > 1) + f"{latency.threads} threads"
        yield lay_out(_COLUMNS, [f"  {name}", "", "", "", "", "", *_latency_cells(latency)])
    for failure in row.failures:
        yield from textwrap.wrap(phrases.clean(failure), WIDTH, initial_indent="  ! ", subsequent_indent="    ")


def _lay_out_place(place: Place, reference: str) -> Iterator[str]:
    """Yield what is known of a device in a block of its own, so that no kind of figure stands beside another."""
    yield from _wrap(f"{place.device} ({place.kind}): {place.identity}")
    for row, found in place.rows:
        fact = _describe_report(row, found, reference)
        if fact:
            yield from _wrap(f"{row.name}: {fact}", indent="  ")
    for reason in device_summary.explain(place):
        yield from _wrap(reason, indent="  ")


def _describe_report(row: ArtifactResult, found: DeviceReport, reference: str) -> str:
    if found.estimate is not None:
        return phrases.format_estimate(found.estimate)
    if found.drift is None or found.drift.change is None:
        return ""
    change, gap = found.drift.change, device_summary.find_gap(row, found)
    off = "" if gap is None else f"; its probabilities are off those of the same file here by {gap:.2g} at most"
    return (
        f"{change.flips.count} flips, AUC {phrases.format_interval(change.auc, sign='+')}, largest change "
        f"{change.largest:.4f} against {reference} here{off}"
    )


def _wrap(paragraph: str, indent: str = "") -> list[str]:
    return textwrap.wrap(phrases.clean(paragraph), WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")


def _lay_out_others(result: BenchResult, kind: str) -> Iterator[str]:
    for row in result.artifacts:
        for item in row.latencies:
            if item.kind == kind:
                device = _shorten(phrases.clean(item.device), _OTHERS[1][1])
                yield lay_out(_OTHERS, [row.name, device, str(item.threads), *_latency_cells(item)])


def _drift_cells(row: ArtifactResult, result: BenchResult) -> list[str]:
    if row.drift is None:
        return [""] * 4
    change = row.drift.change
    if change is None:
        return [phrases.format_interval(row.drift.auc), "reference", "", ""]
    flips = f"{change.flips.count}/{len(result.data.films)}"
    changed = phrases.format_interval(change.auc, sign="+")
    return [phrases.format_interval(row.drift.auc), changed, flips, phrases.short_verdict(row)]


def _latency_cells(latency: LatencyReport | None) -> list[str]:
    if latency is None:
        return ["", ""]
    times = (latency.p50_ms, latency.p90_ms, latency.p99_ms)
    return [" / ".join(phrases.format_number(value) for value in times), f"{latency.peak_mib:.0f}"]


def _detail_cells(row: ArtifactResult) -> list[str]:
    drift = row.drift
    if drift is None:
        return [row.name, *[""] * 7]
    anew, change = drift.transfer, drift.change
    return [
        row.name,
        f"{drift.sensitivity:.3f} / {drift.specificity:.3f}",
        f"{anew.sensitivity:.3f} / {anew.specificity:.3f} at {anew.threshold:.3f}",
        "reference" if change is None else phrases.format_interval(change.sensitivity_at, sign="+"),
        f"{drift.calibration_error:.3f}",
        f"{drift.brier:.3f}",
        "" if change is None else f"{change.largest:.4f}",
        str(drift.distinct_scores),
    ]


def _describe(result: BenchResult) -> Iterator[str]:
    options, machine = result.options, result.machine
    for row, outcome, reason in phrases.explain_verdicts(result):
        yield f"{row.name}: {outcome}: {reason}"
    yield (
        f"films: {phrases.describe_films(result)}; all changes are against {result.reference}, flips and sens / spec "
        f"at the threshold {result.model.threshold:.3f}; the verdict is on a loss of AUC of {options.margin:g}"
    )
    yield _explain_details(result)
    within = phrases.describe_sources(result)
    if within:
        yield f"AUC within a source ({result.reference}): {within}"
    shortcut = phrases.describe_shortcut(result)
    if shortcut:
        yield f"mind: {shortcut}"
    for row in result.artifacts:
        maps = phrases.describe_localisation(row)
        if maps:
            yield f"heat maps of {row.name}: {maps}"
    ran = dict.fromkeys(device_summary.describe_runtime(item) for row in result.artifacts for item in row.latencies)
    threads = dict.fromkeys(str(item.threads) for row in result.artifacts for item in row.latencies)
    yield (
        f"ran on: {machine.cpu_model}, {machine.usable_cores} of {machine.cores} cores, {machine.system}, "
        f"Python {machine.python}; {'; '.join(ran) or 'nothing was timed'}; threads: {', '.join(threads) or '-'}"
    )
    yield from _describe_states(result)
    runs = ", ".join(f"{row.name} {item.runs}" for row in result.artifacts for item in row.latencies[:1])
    yield f"timed runs: {runs or 'none'}; MiB is the peak memory of a fresh process"
    yield from (f"warning: {text}" for text in result.warnings)
    if result.budget is not None:
        yield from (f"budget missed: {miss.artifact}: {miss.fact}" for miss in result.budget.misses)
        if not result.budget.misses:
            yield f"budget met by {', '.join(result.budget.artifacts)}"


def _describe_states(result: BenchResult) -> Iterator[str]:
    by_device: dict[str, list[Condition]] = {}
    for row in result.artifacts:
        for item in row.latencies:
            by_device.setdefault(item.device, []).extend(item.conditions)
    for device, conditions in by_device.items():
        if conditions:
            yield f"state of {device} while timing: {device_summary.observe(conditions).describe()}"


def _explain_details(result: BenchResult) -> str:
    fitted = next((row.drift.transfer.fitted_on for row in result.artifacts if row.drift is not None), "val")
    flatters = " (these films themselves, so the rates flatter)" if fitted == result.data.split else ""
    return (
        f"fitted anew: sens / spec at the artifact's own threshold, Youden's on {fitted}{flatters}; change of sens at "
        f"spec {result.options.specificity:g} with a bootstrap interval; ECE: calibration error, 10 bins of equal "
        f"mass; max|dp|: largest change of the probability of {result.model.positive}; scores: how many differ"
    )


def _shorten(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width // 2 - 1]}...{text[-(width - width // 2 - 2) :]}"
