"""The plots of the page that are about answers: ROC overlay, changes of AUC against the margin, a film's scores."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from cxr_edge.benchmarks.report.page.plots import (
    LEFT_PX,
    RIGHT_PX,
    TOP_PX,
    WIDTH_PX,
    frame,
    mark,
    measured,
    nothing,
    picture,
    style_of,
    title,
)
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.drift_result import DriftReport
from cxr_edge.metrics import intervals, paired, roc
from cxr_edge.metrics.confusion import Bools
from cxr_edge.report.svg import Axis, decimal_axis, element, text

__all__ = ["draw_changes", "draw_roc", "draw_scores"]

Points = list[tuple[float, float]]

_BOTTOM_PX = 300.0
_ROW_PX = 36.0
_EDGE_PX = 24.0
_ENDS = (0.05, 0.1, 0.2, 0.5, 1.0)
_BAND_STEPS = 60


def draw_roc(result: BenchResult) -> str:
    """Return the ROC curves, the reference's with its 95 % band, and each operating point with its intervals.

    Only the corner in which the curves differ is drawn where they all reach the top early.
    """
    positive = np.array(result.data.positive, dtype=np.bool_)
    rows = measured(result.artifacts)
    curves = [(row, drift, _curve(drift, positive)) for row, drift in rows]
    across, up = _corner([points for *_, points in curves], [drift for _, drift in rows])
    parts = [frame(across, up, "1 - specificity", "sensitivity", "{:g}".format, "{:g}".format)]
    chance = _clip([(0.0, 0.0), (1.0, 1.0)], across, up)
    parts.append(element("polyline", points=chance, class_="chance"))
    for row, drift in rows:
        if row.name == result.reference:
            parts.append(_band(row, drift, positive, across, up))
    for row, drift, points in curves:
        label = title(f"{row.name}: AUC {drift.auc}")
        parts.append(element("polyline", label, points=_clip(points, across, up), class_=f"curve {style_of(row)}"))
    for row, drift in rows:
        parts.append(_operating_point(row, drift, positive, across, up))
    return picture(336, "ROC curves of all artifacts", parts)


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
    """Return a strip from 0 to 1 with each artifact's score of one film and the threshold."""
    across = Axis(0, 1, 8, 352, ())
    parts = [
        element("line", x1=8, x2=352, y1=14, y2=14, class_="grid"),
        element("line", x1=across.place(threshold), x2=across.place(threshold), y1=2, y2=26, class_="margin"),
    ]
    for row, score in scores:
        parts.append(element("g", title(f"{row.name}: {score:.3f}"), mark(row, across.place(score), 14, 5)))
    return element("svg", *parts, viewBox="0 0 360 28", role="img", aria_label="Scores from 0 to 1", class_="strip")


def _curve(drift: DriftReport, positive: Bools) -> Points:
    """Return the corners of a ROC curve; where tied scores change both rates, it runs straight between them."""
    false, true, _ = roc.roc_curve(np.array(drift.scores), positive)
    return list(zip(false.tolist(), true.tolist(), strict=True))


def _corner(curves: Sequence[Points], drifts: Sequence[DriftReport]) -> tuple[Axis, Axis]:
    """Return the axes from where the lowest curve starts to where the last one reaches the top."""
    right = max([next(x for x, y in points if y >= 1) for points in curves], default=1.0)
    low = min([max(y for x, y in points if x <= 0) for points in curves], default=0.0)
    right = max([right, *(1 - drift.specificity for drift in drifts)])
    low = min([low, *(drift.sensitivity for drift in drifts)])
    end = next(item for item in _ENDS if item >= min(1.1 * right, 1.0))
    start = 1 - next(item for item in _ENDS if item >= min(1.1 * (1 - low), 1.0))
    return decimal_axis(0, end, LEFT_PX, RIGHT_PX), decimal_axis(start, 1, _BOTTOM_PX, TOP_PX)


def _clip(points: Points, across: Axis, up: Axis) -> str:
    """Return the points of a line that rises from left to right, cut to the axes."""
    kept = []
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        begin = max([0.0, *([(up.low - y1) / (y2 - y1)] if y2 > y1 else [])])
        end = min([1.0, *([(across.high - x1) / (x2 - x1)] if x2 > x1 else [])])
        if begin <= end and y2 >= up.low and x1 <= across.high:
            kept += [(x1 + part * (x2 - x1), y1 + part * (y2 - y1)) for part in (begin, end)]
    return " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in dict.fromkeys(kept))


def _band(row: ArtifactResult, drift: DriftReport, positive: Bools, across: Axis, up: Axis) -> str:
    rates = np.linspace(0, across.high, _BAND_STEPS + 1)
    low, high = paired.roc_band(np.array(drift.scores), positive, rates.tolist())
    points = [*zip(rates, low, strict=True), *zip(rates[::-1], high[::-1], strict=True)]
    placed = " ".join(f"{across.place(float(x)):.1f},{up.place(max(float(y), up.low)):.1f}" for x, y in points)
    return element(
        "polygon", title(f"{row.name}: 95 % of the sensitivity"), points=placed, class_=f"band {style_of(row)}"
    )


def _operating_point(row: ArtifactResult, drift: DriftReport, positive: Bools, across: Axis, up: Axis) -> str:
    many, few = int(positive.sum()), int((~positive).sum())
    sensitivity = intervals.proportion(round(drift.sensitivity * many), many)
    false = intervals.proportion(round((1 - drift.specificity) * few), few)
    x, y = across.place(false.value), up.place(sensitivity.value)
    kind = f"bar {style_of(row)}"
    sides = [across.place(min(value, across.high)) for value in (false.low, false.high)]
    ends = [up.place(max(value, up.low)) for value in (sensitivity.low, sensitivity.high)]
    label = (
        f"{row.name} at the threshold: sensitivity {sensitivity}, specificity {1 - false.value:.3f} "
        f"({1 - false.high:.3f} to {1 - false.low:.3f})"
    )
    return element(
        "g",
        title(label),
        element("line", x1=sides[0], x2=sides[1], y1=y, y2=y, class_=kind),
        element("line", x1=x, x2=x, y1=ends[0], y2=ends[1], class_=kind),
        mark(row, x, y, 4),
    )
