"""What stands for an artifact on every section of the bench page: its mark, its row in a table, its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from cxr_edge.benchmarks.report import plots
from cxr_edge.benchmarks.result.bench_result import ArtifactResult
from cxr_edge.benchmarks.result.drift_result import FAIL, PASS, UNDECIDED
from cxr_edge.report.html import lay_out
from cxr_edge.report.svg import element, text

__all__ = ["badge", "swatch", "table"]

_BADGES = {PASS: "good", FAIL: "bad", UNDECIDED: "open"}


def badge(outcome: str) -> str:
    """Return a verdict as a coloured word."""
    return element("span", text(outcome), class_=f"badge {_BADGES.get(outcome, 'open')}")


def table(heads: Sequence[str], rows: Sequence[tuple[ArtifactResult, Sequence[str]]]) -> str:
    """Return a table, a row an artifact; cells are markup."""
    return lay_out(heads, [(swatch(row) + text(row.name), cells) for row, cells in rows])


def swatch(row: ArtifactResult) -> str:
    """Return an artifact's mark at the size of text."""
    return element("svg", plots.mark(row, 7, 7, 4.5), viewBox="0 0 14 14", class_="swatch", aria_hidden="true")
