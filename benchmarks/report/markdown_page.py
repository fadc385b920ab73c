"""A bench result as a page of GitHub Markdown. Emulated and estimated figures have their own tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from cxr_edge.benchmarks.report.recommendation import recommend
from cxr_edge.benchmarks.result import device_summary, drift_figures, estimate_figures, phrases, timing_figures
from cxr_edge.benchmarks.result.bench_result import BenchResult
from cxr_edge.benchmarks.result.device_result import MEASURED
from cxr_edge.benchmarks.result.device_summary import Place
from cxr_edge.benchmarks.result.figures import cells, titles
from cxr_edge.benchmarks.result.predictions_source import Predictions
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["to_markdown"]

_PLACE_HEADS = ("artifact", "device", "threads")


def to_markdown(result: BenchResult) -> str:
    """Return the page. Names are escaped, so they are always shown as text."""
    parts = [
        *_introduction(result),
        *_drift_parts(result),
        *_latency_parts(result),
        *(part for place in device_summary.group(result) for part in _place_parts(place)),
        *_closing(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _introduction(result: BenchResult) -> Iterator[str]:
    yield f"# Benchmark of {_text(result.model.name)}"
    yield f"**{RESEARCH_ONLY}**"
    found = recommend(result)
    yield f"**{_text(found.sentence)}**"
    yield _list(f"- Do not ship {_text(item.artifact)}: {_text(item.reason)}." for item in found.excluded)
    yield (
        f"Images: {_text(phrases.describe_films(result))}. {_text(phrases.explain_comparison(result))} "
        f"Measured {result.started} by cxr-edge {result.version}."
    )


def _drift_parts(result: BenchResult) -> Iterator[str]:
    yield "## Drift"
    yield _drift_table([Predictions(row, row.drift) for row in result.artifacts])
    yield _list(
        f"- {_text(row.name)}: **{outcome}**: {_text(reason)}"
        for row, outcome, reason in phrases.explain_verdicts(result)
    )


def _drift_table(rows: Sequence[Predictions]) -> str:
    table = drift_figures.MARKDOWN
    return _table(["artifact", *titles(table)], [[source.row.name, *cells(table, source)] for source in rows])


def _latency_parts(result: BenchResult) -> Iterator[str]:
    pairs = [(row, item) for row in result.artifacts for item in row.latencies]
    if not pairs:
        return
    yield f"## Latency and memory, {MEASURED}"
    for table in (timing_figures.MARKDOWN, timing_figures.MARKDOWN_RAN):
        body = [[row.name, item.device, str(item.threads), *cells(table, item)] for row, item in pairs]
        yield _table([*_PLACE_HEADS, *titles(table)], body)


def _place_parts(place: Place) -> Iterator[str]:
    yield f"## {_text(place.device)}, {place.kind}"
    yield f"{_text(place.identity)}."
    answered = [Predictions(row, found.drift) for row, found in place.rows if found.drift is not None]
    if answered:
        yield _drift_table(answered)
    table = estimate_figures.MARKDOWN
    estimates = [[row.name, *cells(table, found.estimate)] for row, found in place.rows if found.estimate is not None]
    if estimates:
        yield _table(["artifact", *titles(table)], estimates)
    yield _list(f"- {_text(reason)}" for reason in device_summary.explain(place))


def _closing(result: BenchResult) -> Iterator[str]:
    machine = result.machine
    yield (
        f"Machine: {_text(machine.cpu_model)}, {machine.usable_cores} of {machine.cores} cores, "
        f"{_text(machine.system)}, Python {machine.python}."
    )
    notes = [f"failed: {reason}" for row in result.artifacts for reason in row.failures]
    notes += [f"warning: {text}" for text in result.warnings]
    if result.budget is not None:
        notes += [f"budget missed: {miss.artifact}: {miss.fact}" for miss in result.budget.misses]
    yield _list(f"- {_text(note)}" for note in notes)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def _table(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    rows = [[_text(cell) for cell in row] for row in body]
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, ["---"] * len(heads), *rows])


def _text(content: str) -> str:
    """Return `content` escaped, so that Markdown shows it unchanged."""
    escaped = "".join(f"\\{char}" if char in "\\`*_[]<>|#" else char for char in phrases.clean(content))
    return escaped.replace("&", "&amp;")
