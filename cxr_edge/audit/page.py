"""The audit as one HTML page that loads nothing, and its plot as a picture of its own."""

from __future__ import annotations

from collections.abc import Sequence

from cxr_edge.audit.probe import Finding
from cxr_edge.audit.result import Audit
from cxr_edge.metrics.intervals import Interval
from cxr_edge.report.html import document, lay_out, note, section
from cxr_edge.report.svg import Axis, element, text
from cxr_edge.system.about import RESEARCH_ONLY, __version__

__all__ = ["draw_file", "render"]

_STYLE = """
.pooled { fill: #2368b8; stroke: #2368b8; } .within { fill: #c2376b; stroke: #c2376b; }
.without { fill: #b26a00; stroke: #b26a00; } .reach { stroke-width: 2; }
svg text.start { text-anchor: start; }
"""
_WIDTH_PX, _LEFT_PX, _RIGHT_PX = 760.0, 250.0, 745.0
_LINE_PX, _BETWEEN_PX, _HEAD_PX, _FOOT_PX = 17.0, 6.0, 30.0, 36.0
_KINDS = {
    "pooled": "all sources together",
    "within": "within one source",
    "without": "a source that was left out of the training",
}


_Value = tuple[str, str, Interval]
_Line = tuple[Finding, list[_Value]]


def render(result: Audit) -> str:
    """Return the page; every name is shown as text, whatever characters it has."""
    title = f"Audit of {result.data}" + (f" and {result.model.bundle}" if result.model else "")
    body = "\n".join(
        [
            _header(result, title),
            section("Verdict", _list_lines(result.verdict)),
            section("AUC by cue", note(_explain(result)), element("figure", _draw(result)), _table(result)),
            section("Sources", _sources(result)),
            *_gazes(result),
            element("footer", element("p", text(f"{RESEARCH_ONLY} Written by cxr-edge {__version__}."))),
        ]
    )
    return document(title, body, style=_STYLE)


def draw_file(result: Audit) -> str:
    """Return the plot as an SVG file, with its own colours and the research-only note."""
    style = element("style", f"text {{ font: 12px sans-serif; fill: #333 }} .name {{ font-weight: 600 }} {_STYLE}")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _draw(result, style, note=True) + "\n"


def _explain(result: Audit) -> str:
    return (
        f"Each cue is all that a plain classifier was given, trained on {result.trained_films} films and measured on "
        f"{result.held_out_films} others, with the 95 % DeLong interval; a model comes last. 0.5 is chance. Within one "
        "source its look cannot help to tell the classes apart."
    )


def _header(result: Audit, title: str) -> str:
    warnings = element("ul", *(element("li", text(f"Note: {item}")) for item in result.warnings), class_="warnings")
    return element(
        "header",
        element("h1", text(title)),
        element("p", text(RESEARCH_ONLY), class_="research"),
        warnings if result.warnings else "",
    )


def _list_lines(lines: Sequence[str]) -> str:
    return element("ul", *(element("li", text(line)) for line in lines), class_="facts")


def _rows(result: Audit) -> list[Finding]:
    return [*result.cues, *([result.model.finding] if result.model else [])]


def _values(finding: Finding) -> list[_Value]:
    """Return kind, label and interval of each of a finding's figures."""
    within = [("within", f"within {source}", value) for source, value in finding.within.items()]
    without = [("without", f"{source}, left out", value) for source, value in finding.without.items()]
    return [("pooled", "all sources", finding.pooled), *within, *without]


def _draw(result: Audit, *extra: str, note: bool = False) -> str:
    lines = [(finding, _values(finding)) for finding in _rows(result)]
    count = sum(len(values) for _, values in lines)
    bottom = _HEAD_PX + count * _LINE_PX + len(lines) * _BETWEEN_PX
    height = bottom + _FOOT_PX
    axis = _choose_axis(lines)
    parts = [_key(), *_draw_grid(axis, bottom), *_draw_lines(axis, lines)]
    if note:
        parts.append(
            element("text", text(RESEARCH_ONLY), x=_RIGHT_PX, y=height - 5, text_anchor="end", style="font-size: 10px")
        )
    label = "AUC of each cue over all sources, within sources and on sources left out, with 95 % intervals"
    return element(
        "svg",
        element("title", text(label)),
        *extra,
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH_PX:g} {height:g}",
        role="img",
        style="max-width: 760px",
    )


def _choose_axis(lines: Sequence[_Line]) -> Axis:
    """Return an axis in tenths from 0.4, or from the tenth below the lowest limit, to 1."""
    lowest = min(value.low for _, values in lines for _, _, value in values)
    least = min(0.4, int(lowest * 10) / 10)
    ticks = tuple(round(least + 0.1 * step, 1) for step in range(round((1 - least) * 10) + 1))
    return Axis(least, 1.0, _LEFT_PX, _RIGHT_PX, ticks)


def _draw_grid(axis: Axis, bottom: float) -> list[str]:
    parts = []
    for tick in axis.ticks:
        x = axis.place(tick)
        # Chance stands out.
        style = {"stroke": "#9caab7", "stroke_dasharray": "4 3"} if tick == 0.5 else {"stroke": "#dde2e7"}
        parts.append(element("line", x1=x, x2=x, y1=_HEAD_PX - 4, y2=bottom, **style))
        parts.append(element("text", text(f"{tick:g}"), x=x, y=bottom + 15, text_anchor="middle"))
    return parts


def _draw_lines(axis: Axis, lines: Sequence[_Line]) -> list[str]:
    parts = []
    y = _HEAD_PX + 8
    for finding, values in lines:
        parts.append(element("text", text(finding.name), x=8, y=y + 4, class_="name", text_anchor="start"))
        for kind, label, value in values:
            parts += _mark(axis, y, kind, label, value)
            y += _LINE_PX
        y += _BETWEEN_PX
    return parts


def _key() -> str:
    parts = []
    x = 8.0
    for kind, words in _KINDS.items():
        parts.append(element("circle", cx=x + 4, cy=10, r=4, class_=kind))
        parts.append(element("text", text(words), x=x + 13, y=14, text_anchor="start", class_="start"))
        x += 30 + 6.3 * len(words)
    return element("g", *parts)


def _mark(axis: Axis, y: float, kind: str, label: str, value: Interval) -> list[str]:
    low, middle, high = axis.place(value.low), axis.place(value.value), axis.place(value.high)
    return [
        element("text", text(label), x=_LEFT_PX - 10, y=y + 4, text_anchor="end", class_="end"),
        element("line", x1=low, x2=high, y1=y, y2=y, class_=f"{kind} reach"),
        element("circle", element("title", text(f"{label}: {value}")), cx=middle, cy=y, r=4, class_=kind),
    ]


def _table(result: Audit) -> str:
    rows = [
        (text(finding.name if kind == "pooled" else ""), [text(label), text(str(value))])
        for finding in _rows(result)
        for kind, label, value in _values(finding)
    ]
    return lay_out(("seen", "films", "AUC (95 %)"), rows)


def _sources(result: Audit) -> str:
    rows = []
    for row in result.sources:
        right = "-" if row.called_right is None else str(row.called_right)
        rows.append((text(row.source), [str(row.positive_films), str(row.negative_films), right]))
    return lay_out(("source", f"{result.positive} films", "other films", "called right by the model"), rows)


def _gazes(result: Audit) -> list[str]:
    if result.model is None or not result.model.gazes:
        return []
    rows = []
    for called, gaze in result.model.gazes.items():
        outside = str(gaze.outside), f"{gaze.outside_even:.3f}"
        corners = str(gaze.corners), f"{gaze.corners_even:.3f}"
        rows.append((text(f"called {called}"), [str(gaze.films), *outside, *corners]))
    how = "The lungs of simulated films are known exactly."
    if not all(gaze.exact for gaze in result.model.gazes.values()):
        how = (
            "For real films the lungs are those of an average chest, whose overlap (Dice) with the true lungs of "
            f"simulated films is {result.average_lungs_dice:.2f}: an approximation."
        )
    heads = ("films", "number", "share outside the lungs", "of an even map", "share in the corners", "of an even map")
    return [section("Where the model looks", note(how), lay_out(heads, rows))]
