"""What all plots of a page share, as inline SVG: the frame with grid and labels, and the picture around it.

Plots are 360 px wide, so that their text stays readable on a phone; colours come from the page's style sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cxr_edge.report.svg import Axis, element, text

__all__ = ["LEFT_PX", "RIGHT_PX", "TOP_PX", "WIDTH_PX", "axis_across", "frame", "nothing", "picture", "title"]

WIDTH_PX = 360.0
LEFT_PX, RIGHT_PX, TOP_PX = 44.0, 348.0, 10.0


def frame(
    across: Axis,
    up: Axis,
    x_label: str,
    y_label: str,
    x_format: Callable[[float], str],
    y_format: Callable[[float], str],
) -> str:
    """Return grid, ticks and labels of both axes."""
    parts = [axis_across(across, up.end_px, up.start_px, x_label, x_format)]
    for tick in up.ticks:
        y = up.place(tick)
        parts.append(element("line", x1=across.start_px, x2=across.end_px, y1=y, y2=y, class_="grid"))
        parts.append(element("text", text(y_format(tick)), x=across.start_px - 5, y=y + 4, class_="tick end"))
    middle = (up.start_px + up.end_px) / 2
    parts.append(
        element("text", text(y_label), x=11, y=middle, transform=f"rotate(-90 11 {middle:.0f})", class_="label")
    )
    return "".join(parts)


def axis_across(across: Axis, top: float, bottom: float, label: str, format: Callable[[float], str]) -> str:
    """Return grid, ticks and label of the horizontal axis."""
    parts = []
    for tick in across.ticks:
        x = across.place(tick)
        parts.append(element("line", x1=x, x2=x, y1=top, y2=bottom, class_="grid"))
        parts.append(element("text", text(format(tick)), x=x, y=bottom + 15, class_="tick"))
    middle = (across.start_px + across.end_px) / 2
    parts.append(element("text", text(label), x=middle, y=bottom + 31, class_="label"))
    return "".join(parts)


def title(label: str) -> str:
    """Return what a browser shows where the pointer rests."""
    return element("title", text(label))


def nothing(fact: str) -> str:
    """Return what stands in the place of a plot."""
    return element("p", text(fact))


def picture(height: float, label: str, parts: Sequence[str]) -> str:
    """Return a plot of the common width."""
    return element("svg", *parts, viewBox=f"0 0 {WIDTH_PX:.0f} {height:.0f}", role="img", aria_label=label)
