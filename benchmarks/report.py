"""A bench result for people and machines: the table of the terminal, bench.json and bench.html."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from cxr_edge import RESEARCH_ONLY, files
from cxr_edge.benchmarks import page
from cxr_edge.benchmarks.result import ArtifactResult, BenchResult, LatencyReport

__all__ = ["HTML_NAME", "JSON_NAME", "read", "table", "write"]

JSON_NAME = "bench.json"
HTML_NAME = "bench.html"

_WIDTH = 120
_COLUMNS = (
    # title, width, alignment
    ("artifact", 20, "<"),
    ("MB", 5, ">"),
    ("AUC [95 %]", 20, "<"),
    ("change of AUC [95 %]", 23, "<"),
    ("flips", 9, ">"),
    ("max|dp|", 7, ">"),
    ("p50 / p90 / p99 ms", 18, "<"),
    ("MiB", 4, ">"),
)
_GAP = "  "
_UNSAFE = dict.fromkeys((*range(32), *range(127, 160)), "?")


def write(result: BenchResult, out: Path) -> list[Path]:
    """Write bench.json and bench.html into the folder `out`, each atomically, and return them. Raises OutputError."""
    files.prepare_folder(out)
    files.write_json(out / JSON_NAME, result.to_json())
    files.write_text(out / HTML_NAME, page.render(result))
    return [out / JSON_NAME, out / HTML_NAME]


def read(path: Path) -> BenchResult:
    """Read a bench.json. Raises DataError, UnsafeFileError."""
    return BenchResult.from_json(files.read_json(path, limit_bytes=256 * 2**20), where=str(path))


def table(result: BenchResult) -> str:
    """Return the result as text of at most 120 columns, the research-only line last."""
    lines = [_line(*(title for title, _, _ in _COLUMNS)), _line(*("-" * width for _, width, _ in _COLUMNS))]
    for row in result.artifacts:
        lines.extend(_lay_out(row, result))
    lines.append("")
    for paragraph in _describe(result):
        lines.extend(textwrap.wrap(_clean(paragraph), _WIDTH, subsequent_indent="  "))
    return "\n".join([*lines, RESEARCH_ONLY])


def _lay_out(row: ArtifactResult, result: BenchResult) -> Iterator[str]:
    first, rest = row.latencies[:1], row.latencies[1:]
    drift = _drift_cells(row, result)
    if row.drift is not None or first:
        yield _line(row.name, _size(row), *drift, *_latency_cells(first[0] if first else None))
    else:
        yield _line(row.name, _size(row), "failed", "", "", "", "", "")
    for latency in rest:
        yield _line(f"  {latency.threads} threads", "", "", "", "", "", *_latency_cells(latency))
    for failure in row.failures:
        yield from textwrap.wrap(_clean(failure), _WIDTH, initial_indent="  ! ", subsequent_indent="    ")


def _line(*cells: str) -> str:
    named = (_shorten(_clean(cells[0]), _COLUMNS[0][1]), *cells[1:])
    padded = (f"{cell:{align}{width}}" for cell, (_, width, align) in zip(named, _COLUMNS, strict=True))
    return _GAP.join(padded).rstrip()


def _size(row: ArtifactResult) -> str:
    return page.format_number(row.size_bytes / 1e6)


def _drift_cells(row: ArtifactResult, result: BenchResult) -> tuple[str, str, str, str]:
    if row.drift is None:
        return "", "", "", ""
    change = row.drift.change
    if change is None:
        return page.format_interval(row.drift.auc), "reference", "", ""
    flips = f"{change.flips}/{len(result.data.films)}"
    return (
        page.format_interval(row.drift.auc),
        page.format_interval(change.auc, sign="+"),
        flips,
        f"{change.largest:.4f}",
    )


def _latency_cells(latency: LatencyReport | None) -> tuple[str, str]:
    if latency is None:
        return "", ""
    times = (latency.p50_ms, latency.p90_ms, latency.p99_ms)
    return " / ".join(page.format_number(value) for value in times), f"{latency.peak_mib:.0f}"


def _describe(result: BenchResult) -> Iterator[str]:
    data, machine = result.data, result.machine
    positives = sum(data.positive)
    yield (
        f"films: {data.name}, split {data.split}: {len(data.films)}, {positives} of them {result.model.positive}; "
        f"flips and max|dp| (the largest change of the probability of {result.model.positive}) "
        f"are against {result.reference}, at the threshold {result.model.threshold:.3f}"
    )
    within = page.describe_sources(result)
    if within:
        yield f"AUC within a source ({result.reference}): {within}"
    ran = dict.fromkeys(f"{item.runtime} ({item.delegate})" for row in result.artifacts for item in row.latencies)
    threads = dict.fromkeys(str(item.threads) for row in result.artifacts for item in row.latencies)
    yield (
        f"ran on: {machine.cpu_model}, {machine.usable_cores} of {machine.cores} cores, {machine.system}, "
        f"Python {machine.python}; {', '.join(ran) or 'nothing was timed'}; threads: {', '.join(threads) or '-'}"
    )
    runs = ", ".join(f"{row.name} {item.runs}" for row in result.artifacts for item in row.latencies[:1])
    yield f"timed runs: {runs or 'none'}; MiB is the peak memory of a fresh process"
    yield from (f"warning: {text}" for text in result.warnings)


def _clean(text: str) -> str:
    """Return `text` without control characters, which a file name may have and a terminal would obey."""
    return text.translate(_UNSAFE)


def _shorten(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width // 2 - 1]}...{text[-(width - width // 2 - 2) :]}"
