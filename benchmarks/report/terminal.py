"""A bench result as text for a terminal, at most 120 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TypeVar

from cxr_edge.benchmarks.result import device_summary, drift_figures, phrases, timing_figures
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_result import Condition, DeviceReport, LatencyReport
from cxr_edge.benchmarks.result.device_summary import Place
from cxr_edge.benchmarks.result.figures import Table, cells
from cxr_edge.benchmarks.result.predictions_source import Predictions, find_gap
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["WIDTH", "Columns", "head", "lay_out", "table"]

WIDTH = 120

Source = TypeVar("Source")
Columns = Sequence[tuple[str, int, str]]
"""Title, width and alignment of each column."""

_NAME = ("artifact", 20, "<")


def table(result: BenchResult) -> str:
    """Return the result as text of at most 120 columns, the research-only line last."""
    lines = _lay_out_artifacts(result)
    lines += ["", *_lay_out_details(result), ""]
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


def _columns(table: Table[Source]) -> Columns:
    return [(column.title, column.width, column.align) for column in table]


def _lay_out_artifacts(result: BenchResult) -> list[str]:
    columns = [_NAME, *_columns(drift_figures.TERMINAL), *_columns(timing_figures.TERMINAL)]
    lines = list(head(columns))
    for row in result.artifacts:
        lines += _lay_out_row(row, columns)
    return lines


def _lay_out_row(row: ArtifactResult, columns: Columns) -> Iterator[str]:
    drift = cells(drift_figures.TERMINAL, Predictions(row, row.drift))
    yield lay_out(columns, [row.name, *drift, *_time_cells(row.latencies[0] if row.latencies else None)])
    several = len({item.device for item in row.latencies}) > 1
    for latency in row.latencies[1:]:
        place = f"{latency.device}, {latency.threads} threads" if several else f"{latency.threads} threads"
        yield lay_out(columns, [f"  {place}", *[""] * len(drift), *_time_cells(latency)])
    for failure in row.failures:
        yield from textwrap.wrap(phrases.clean(failure), WIDTH, initial_indent="  ! ", subsequent_indent="    ")


def _time_cells(latency: LatencyReport | None) -> list[str]:
    table = timing_figures.TERMINAL
    return [""] * len(table) if latency is None else cells(table, latency)


def _lay_out_details(result: BenchResult) -> Iterator[str]:
    table = drift_figures.TERMINAL_DETAILS
    columns = [_NAME, *_columns(table)]
    yield from head(columns)
    for row in result.artifacts:
        if row.drift is not None:
            yield lay_out(columns, [row.name, *cells(table, Predictions(row, row.drift))])


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
    change, gap = found.drift.change, find_gap(Predictions(row, found.drift))
    off = "" if gap is None else f"; its probabilities are off those of the same file here by {gap:.2g} at most"
    return (
        f"{change.flips.count} flips, AUC {phrases.format_change(change.auc)}, largest change "
        f"{change.largest:.4f} against {reference} here{off}"
    )


def _wrap(paragraph: str, indent: str = "") -> list[str]:
    return textwrap.wrap(phrases.clean(paragraph), WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")


def _describe(result: BenchResult) -> Iterator[str]:
    yield from _describe_drift(result)
    yield from _describe_timing(result)
    yield from (f"warning: {text}" for text in result.warnings)
    if result.budget is not None:
        yield from (f"budget missed: {miss.artifact}: {miss.fact}" for miss in result.budget.misses)
        if not result.budget.misses:
            yield f"budget met by {', '.join(result.budget.artifacts)}"


def _describe_drift(result: BenchResult) -> Iterator[str]:
    for row, outcome, reason in phrases.explain_verdicts(result):
        yield f"{row.name}: {outcome}: {reason}"
    yield (
        f"films: {phrases.describe_films(result)}; all changes are against {result.reference}, flips and sens / spec "
        f"at the threshold {result.model.threshold:.3f}; the verdict is on a loss of AUC of {result.options.margin:g}"
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


def _describe_timing(result: BenchResult) -> Iterator[str]:
    machine = result.machine
    items = [item for row in result.artifacts for item in row.latencies]
    ran = dict.fromkeys(device_summary.describe_runtime(item) for item in items)
    threads = dict.fromkeys(str(item.threads) for item in items)
    yield (
        f"ran on: {machine.cpu_model}, {machine.usable_cores} of {machine.cores} cores, {machine.system}, "
        f"Python {machine.python}; {'; '.join(ran) or 'nothing was timed'}; threads: {', '.join(threads) or '-'}"
    )
    yield from _describe_states(items)
    runs = ", ".join(f"{row.name} {item.runs}" for row in result.artifacts for item in row.latencies[:1])
    yield f"timed runs: {runs or 'none'}; MiB is the peak memory of a fresh process"


def _describe_states(items: Sequence[LatencyReport]) -> Iterator[str]:
    by_device: dict[str, list[Condition]] = {}
    for item in items:
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
