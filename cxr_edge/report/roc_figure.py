"""ROC curves drawn by matplotlib, for files. Pages draw theirs as SVG, without matplotlib: see `roc_svg`."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from cxr_edge.metrics import paired, roc
from cxr_edge.metrics.confusion import Bools, Floats

__all__ = ["draw_curve", "prepare"]

_RATES = np.linspace(0.0, 1.0, 101)


def prepare(axes: Axes) -> None:
    """Label the axes of a ROC plot, make them equal, and draw the line of chance."""
    axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", aspect="equal")


def draw_curve(
    axes: Axes,
    scores: Floats,
    positive: Bools,
    *,
    label: str,
    point: tuple[float, float],
    color: str | None = None,
    band: bool = False,
) -> None:
    """Draw a ROC curve and its operating point, a sensitivity and a specificity; with `band` its 95 % band, pointwise.

    Without a `color` matplotlib takes the next one. Raises DataError without both classes.
    """
    false, true, _ = roc.roc_curve(scores, positive)
    if band:
        low, high = paired.roc_band(scores, positive, list(_RATES))
        axes.fill_between(_RATES, low, high, color=color, alpha=0.12, linewidth=0)
    (line,) = axes.step(false, true, where="post", color=color, label=label)
    sensitivity, specificity = point
    axes.plot(1 - specificity, sensitivity, "o", color=line.get_color())
