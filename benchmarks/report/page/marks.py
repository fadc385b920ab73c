"""How the bench page shows an artifact: its mark, its row in a table, its verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from cxr_edge.benchmarks.report.page import plots
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchOptions
from cxr_edge.benchmarks.result.drift_result import FAIL, PASS, UNDECIDED
from cxr_edge.benchmarks.result.figures import Column, Kind, Table
from cxr_edge.report.html import lay_out
from cxr_edge.report.svg import element, text

__all__ = ["badge", "cell", "swatch", "table"]

Source = TypeVar("Source")

_BADGES = {PASS: "good", FAIL: "bad", UNDECIDED: "open", "failed": "bad"}


def badge(outcome: str) -> str:
    """Return a verdict as a coloured word."""
    return element("span", text(outcome), class_=f"badge {_BADGES.get(outcome, 'open')}")


def table(
    columns: Table[Source],
    rows: Sequence[tuple[ArtifactResult, Source]],
    *,
    places: Sequence[tuple[str, Callable[[Source], str]]] = (),
    options: BenchOptions | None = None,
) -> str:
    """Return a table with a row for each artifact: first `places`, such as device and threads, then `columns`.

    A title may name a field of `options`, such as the wanted specificity.
    """
    titles = ["Artifact", *(title for title, _ in places)]
    titles += [column.title.format(options=options) for column in columns]
    hints = [""] * (1 + len(places)) + [column.figure.meaning for column in columns]
    body = []
    for row, source in rows:
        first = [text(read(source)) for _, read in places]
        body.append((swatch(row) + text(row.name), [*first, *(cell(column, source) for column in columns)]))
    return lay_out(titles, body, hints=hints)


def cell(column: Column[Source], source: Source) -> str:
    """Return the markup of a figure."""
    content = column.text(source)
    if content and column.figure.kind is Kind.VERDICT:
        return badge(content)
    if content and column.figure.kind is Kind.WORDS:
        return element("div", text(content), class_="words")
    return text(content)


def swatch(row: ArtifactResult) -> str:
    """Return an artifact's mark at the size of text."""
    return element("svg", plots.mark(row, 7, 7, 4.5), viewBox="0 0 14 14", class_="swatch", aria_hidden="true")
