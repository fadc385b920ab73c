"""ROC curves as inline SVG, for pages. matplotlib draws those of files: see `roc_figure`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cxr_edge.metrics import intervals, paired, roc
from cxr_edge.metrics.confusion import Bools, Floats
from cxr_edge.metrics.intervals import Interval
from cxr_edge.report.plot import LEFT_PX, RIGHT_PX, TOP_PX, frame, picture, title
from cxr_edge.report.svg import Axis, decimal_axis, element

__all__ = ["RocCurve", "draw"]

Points = list[tuple[float, float]]

_BOTTOM_PX = 300.0
_ENDS = (0.05, 0.1, 0.2, 0.5, 1.0)
_BAND_STEPS = 60
_MARK_PX = 4


@dataclass(frozen=True)
class RocCurve:
    """A classifier's scores (n,) with its AUC and operating point; with `band` its 95 % band is drawn too.

    `style` are classes of the style sheet, `mark` returns the mark of the operating point at a place and of a size.
    """

    name: str
    scores: Floats
    auc: Interval
    sensitivity: float
    specificity: float
    band: bool
    style: str
    mark: Callable[[float, float, float], str]


def draw(curves: Sequence[RocCurve], positive: Bools, label: str) -> str:
    """Return the curves, the bands of those that have one, and each operating point with Wilson's intervals.

    Only the corner in which the curves differ is drawn where they all reach the top early. Raises DataError without
    both classes.
    """
    points = [_corners(curve, positive) for curve in curves]
    across, up = _choose_axes(points, curves)
    parts = [frame(across, up, "1 - specificity", "sensitivity", "{:g}".format, "{:g}".format)]
    chance = _clip([(0.0, 0.0), (1.0, 1.0)], across, up)
    parts.append(element("polyline", points=chance, class_="chance"))
    parts += [_draw_band(curve, positive, across, up) for curve in curves if curve.band]
    for curve, corners in zip(curves, points, strict=True):
        hint = title(f"{curve.name}: AUC {curve.auc}")
        parts.append(element("polyline", hint, points=_clip(corners, across, up), class_=f"curve {curve.style}"))
    parts += [_draw_operating_point(curve, positive, across, up) for curve in curves]
    return picture(336, label, parts)


def _corners(curve: RocCurve, positive: Bools) -> Points:
    """Return the corners of a ROC curve; where tied scores change both rates, it runs straight between them."""
    false, true, _ = roc.roc_curve(curve.scores, positive)
    return list(zip(false.tolist(), true.tolist(), strict=True))


def _choose_axes(points: Sequence[Points], curves: Sequence[RocCurve]) -> tuple[Axis, Axis]:
    """Return the axes from where the lowest curve starts to where the last one reaches the top."""
    right = max([next(x for x, y in corners if y >= 1) for corners in points], default=1.0)
    low = min([max(y for x, y in corners if x <= 0) for corners in points], default=0.0)
    right = max([right, *(1 - curve.specificity for curve in curves)])
    low = min([low, *(curve.sensitivity for curve in curves)])
    end = next(item for item in _ENDS if item >= min(1.1 * right, 1.0))
    start = 1 - next(item for item in _ENDS if item >= min(1.1 * (1 - low), 1.0))
    return decimal_axis(0, end, LEFT_PX, RIGHT_PX), decimal_axis(start, 1, _BOTTOM_PX, TOP_PX)


def _clip(points: Points, across: Axis, up: Axis) -> str:
    """Return the points of a line that rises from left to right, cut to the axes."""
    kept: Points = []
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        begin = max(0.0, (up.low - y1) / (y2 - y1)) if y2 > y1 else 0.0
        end = min(1.0, (across.high - x1) / (x2 - x1)) if x2 > x1 else 1.0
        if begin <= end and y2 >= up.low and x1 <= across.high:
            kept += [(x1 + part * (x2 - x1), y1 + part * (y2 - y1)) for part in (begin, end)]
    return " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in dict.fromkeys(kept))


def _draw_band(curve: RocCurve, positive: Bools, across: Axis, up: Axis) -> str:
    rates = np.linspace(0, across.high, _BAND_STEPS + 1)
    low, high = paired.roc_band(curve.scores, positive, rates.tolist())
    points = [*zip(rates, low, strict=True), *zip(rates[::-1], high[::-1], strict=True)]
    placed = " ".join(f"{across.place(float(x)):.1f},{up.place(max(float(y), up.low)):.1f}" for x, y in points)
    hint = title(f"{curve.name}: 95 % of the sensitivity")
    return element("polygon", hint, points=placed, class_=f"band {curve.style}")


def _draw_operating_point(curve: RocCurve, positive: Bools, across: Axis, up: Axis) -> str:
    many, few = int(positive.sum()), int((~positive).sum())
    sensitivity = intervals.proportion(round(curve.sensitivity * many), many)
    false = intervals.proportion(round((1 - curve.specificity) * few), few)
    x, y = across.place(false.value), up.place(sensitivity.value)
    kind = f"bar {curve.style}"
    left, right = across.place(min(false.low, across.high)), across.place(min(false.high, across.high))
    bottom, top = up.place(max(sensitivity.low, up.low)), up.place(max(sensitivity.high, up.low))
    label = (
        f"{curve.name} at the threshold: sensitivity {sensitivity}, specificity {1 - false.value:.3f} "
        f"({1 - false.high:.3f} to {1 - false.low:.3f})"
    )
    return element(
        "g",
        title(label),
        element("line", x1=left, x2=right, y1=y, y2=y, class_=kind),
        element("line", x1=x, x2=x, y1=bottom, y2=top, class_=kind),
        curve.mark(x, y, _MARK_PX),
    )
