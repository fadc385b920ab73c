"""Plots of predictions: ROC curves, changes of AUC against the margin, and the scores of one image."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from cxr_edge.benchmarks.report.page.plots import mark, measured, style_of
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.report import roc_svg
from cxr_edge.report.plot import TOP_PX, WIDTH_PX, frame, nothing, picture, title
from cxr_edge.report.svg import Axis, decimal_axis, element, text

__all__ = ["draw_changes", "draw_roc", "draw_scores"]

_ROW_PX = 36.0
_EDGE_PX = 24.0


def draw_roc(result: BenchResult) -> str:
    """Return the ROC curves, the reference's with its 95 % band, and each operating point with its intervals."""
    positive = np.array(result.data.positive, dtype=np.bool_)
    curves = [
        roc_svg.RocCurve(
            name=row.name,
            scores=np.array(drift.scores),
            auc=drift.auc,
            sensitivity=drift.sensitivity,
            specificity=drift.specificity,
            band=row.name == result.reference,
            style=style_of(row),
            mark=functools.partial(mark, row),
        )
        for row, drift in measured(result.artifacts)
    ]
    return roc_svg.draw(curves, positive, "ROC curves of all artifacts")


def draw_changes(result: BenchResult) -> str:
    """Return each artifact's change of AUC with its interval; what lies beyond the margin is shaded."""
    rows = [(row, drift.change) for row, drift in measured(result.artifacts) if drift.change is not None]
    if not rows:
        return nothing("Nothing was compared.")
    margin = result.options.margin
    low = min(-1.5 * margin, *(change.auc.low for _, change in rows))
    high = max(0.5 * margin, *(change.auc.high for _, change in rows))
    bottom = TOP_PX + _ROW_PX * len(rows)
    across = decimal_axis(low, high, _EDGE_PX, WIDTH_PX - _EDGE_PX)
    edge = across.place(-margin)
    parts = [
        element("rect", x=_EDGE_PX, y=TOP_PX, width=edge - _EDGE_PX, height=bottom - TOP_PX, class_="beyond"),
        frame(across, Axis(0, 1, bottom, TOP_PX, ()), "AUC - AUC of the reference", "", "{:+g}".format, str),
        element("line", x1=edge, x2=edge, y1=TOP_PX, y2=bottom, class_="margin"),
        element("line", x1=across.place(0), x2=across.place(0), y1=TOP_PX, y2=bottom, class_="zero"),
    ]
    for number, (row, change) in enumerate(rows):
        top = TOP_PX + _ROW_PX * number
        y = top + 25
        ends = {"x1": across.place(change.auc.low), "x2": across.place(change.auc.high)}
        label = title(f"{row.name}: change of AUC {change.auc}, {change.verdict.outcome}")
        name = element("text", text(f"{row.name}: {change.verdict.outcome}"), x=_EDGE_PX + 4, y=top + 13, class_="name")
        bar = element("line", y1=y, y2=y, class_=f"bar {style_of(row)}", **ends)
        parts.append(element("g", label, name, bar, mark(row, across.place(change.auc.value), y)))
    return picture(bottom + 36, "Change of AUC of each artifact against the margin", parts)


def draw_scores(scores: Sequence[tuple[ArtifactResult, float]], threshold: float) -> str:
    """Return a strip from 0 to 1 with each artifact's score of one image and the threshold."""
    across = Axis(0, 1, 8, 352, ())
    parts = [
        element("line", x1=8, x2=352, y1=14, y2=14, class_="grid"),
        element("line", x1=across.place(threshold), x2=across.place(threshold), y1=2, y2=26, class_="margin"),
    ]
    for row, score in scores:
        parts.append(element("g", title(f"{row.name}: {score:.3f}"), mark(row, across.place(score), 14, 5)))
    return element("svg", *parts, viewBox="0 0 360 28", role="img", aria_label="Scores from 0 to 1", class_="strip")
