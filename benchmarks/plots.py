"""The plots of the page as inline SVG: ROC overlay, latency distributions, and AUC against what it costs.

They are drawn 360 px wide, so that their text stays readable on a phone; colours come from the page's style sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from cxr_edge import metrics
from cxr_edge.benchmarks.result import ArtifactResult, BenchResult, DriftReport, LatencyReport
from cxr_edge.benchmarks.svg import Axis, decimal_axis, element, log_axis, text

__all__ = ["draw_cost", "draw_latency", "draw_roc", "mark", "style_of"]

WIDTH_PX = 360.0
_LEFT_PX, _RIGHT_PX, _TOP_PX = 44.0, 348.0, 10.0
_STYLES = ("float32", "float16", "dynamic", "int8", "int16x8")
_DOTS = 160


def style_of(row: ArtifactResult) -> str:
    """Return the style sheet's classes of an artifact: its colour is the quantisation's, its shape the format's."""
    colour = row.quantization if row.quantization in _STYLES else "other"
    return (
        f"{'keras' if row.format == 'keras' else colour} {row.format if row.format in ('tflite', 'onnx') else 'keras'}"
    )


def mark(row: ArtifactResult, x: float, y: float, size: float = 5.0) -> str:
    """Return an artifact's mark: a circle for TFLite, a diamond for ONNX, a square for the rest."""
    kind = f"mark {style_of(row)}"
    if row.format == "tflite":
        return element("circle", cx=x, cy=y, r=size, class_=kind)
    if row.format == "onnx":
        reach = size * 1.25
        points = f"{x:.1f},{y - reach:.1f} {x + reach:.1f},{y:.1f} {x:.1f},{y + reach:.1f} {x - reach:.1f},{y:.1f}"
        return element("polygon", points=points, class_=kind)
    return element("rect", x=x - size, y=y - size, width=2 * size, height=2 * size, class_=kind)


def draw_roc(result: BenchResult) -> str:
    """Return the ROC curves, a mark at each artifact's operating point."""
    across = Axis(0, 1, _LEFT_PX, _RIGHT_PX, (0, 0.2, 0.4, 0.6, 0.8, 1))
    up = Axis(0, 1, 300, _TOP_PX, (0, 0.2, 0.4, 0.6, 0.8, 1))
    parts = [_frame(across, up, "1 - specificity", "sensitivity", "{:.1f}".format, "{:.1f}".format)]
    parts.append(
        element("line", x1=across.place(0), y1=up.place(0), x2=across.place(1), y2=up.place(1), class_="chance")
    )
    positive = np.array(result.data.positive, dtype=np.bool_)
    measured = _measured(result.artifacts)
    for row, drift in measured:
        false, true, _ = metrics.roc_curve(np.array(drift.scores), positive)
        steps = [(false[0], true[0])]
        for before, after in zip(
            zip(false[:-1], true[:-1], strict=True), zip(false[1:], true[1:], strict=True), strict=True
        ):
            steps += [(after[0], before[1])] if after[1] == before[1] else [(before[0], after[1]), (after[0], after[1])]
        steps.append((false[-1], true[-1]))
        points = " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in steps)
        parts.append(
            element("polyline", _title(f"{row.name}: AUC {drift.auc}"), points=points, class_=f"curve {style_of(row)}")
        )
    for row, drift in measured:
        label = f"{row.name}: sensitivity {drift.sensitivity:.3f}, specificity {drift.specificity:.3f} at the threshold"
        parts.append(
            element("g", _title(label), mark(row, across.place(1 - drift.specificity), up.place(drift.sensitivity), 4))
        )
    return _picture(336, "ROC curves of all artifacts", parts)


def draw_latency(result: BenchResult) -> str:
    """Return a strip of run times for each artifact and thread count, with lines at p50, p90 and p99."""
    strips = [(row, latency) for row in result.artifacts for latency in row.latencies]
    if not strips:
        return _nothing("Nothing was timed.")
    times = [time for _, latency in strips for turn in latency.times_ms for time in turn]
    height = _TOP_PX + 40 * len(strips)
    across = log_axis(min(times), max(times), 10, _RIGHT_PX)
    parts = [_axis_across(across, _TOP_PX, height, "ms for one film, logarithmic", "{:g}".format)]
    for number, (row, latency) in enumerate(strips):
        parts.append(_strip(row, latency, across, _TOP_PX + 40 * number, many=len(row.latencies) > 1))
    return _picture(height + 36, "Distribution of latencies of each artifact", parts)


def _strip(row: ArtifactResult, latency: LatencyReport, across: Axis, top: float, *, many: bool) -> str:
    name = f"{row.name}, {latency.threads} threads" if many else row.name
    times = np.sort(np.concatenate([np.array(turn) for turn in latency.times_ms]))
    if len(times) > _DOTS:
        # Evenly over the ranks, the extremes included: the picture of the distribution stays.
        times = times[np.linspace(0, len(times) - 1, _DOTS).round().astype(int)]
    parts = [element("text", text(name), x=10, y=top + 11, class_="name")]
    for index, time in enumerate(times):
        # A fixed scatter, so that equal times do not hide one another.
        y = top + 26 + 6 * (((index * 0.618) % 1) * 2 - 1)
        parts.append(element("circle", cx=across.place(float(time)), cy=y, r=1.8, class_=f"dot {style_of(row)}"))
    for value, kind in ((latency.p50_ms, "p50"), (latency.p90_ms, "p90"), (latency.p99_ms, "p99")):
        x = across.place(value)
        parts.append(element("line", x1=x, x2=x, y1=top + 17, y2=top + 35, class_=f"percentile {kind}"))
    label = (
        f"{name}: p50 {latency.p50_ms:.3g}, p90 {latency.p90_ms:.3g}, p99 {latency.p99_ms:.3g} ms, {latency.runs} runs"
    )
    return element("g", _title(label), *parts)


def draw_cost(result: BenchResult, cost: Callable[[ArtifactResult], float | None], label: str) -> str:
    """Return AUC, with its interval, against a cost; a line joins those that no other beats in both."""
    points = [(row, drift, value) for row, drift in _measured(result.artifacts) if (value := cost(row)) is not None]
    if not points:
        return _nothing("Nothing was measured.")
    across = log_axis(min(value for *_, value in points), max(value for *_, value in points), _LEFT_PX, _RIGHT_PX)
    up = decimal_axis(
        min(drift.auc.low for _, drift, _ in points), max(drift.auc.high for _, drift, _ in points), 230, _TOP_PX
    )
    parts = [_frame(across, up, label, "AUC", "{:g}".format, "{:g}".format)]
    front = _front([(value, drift.auc.value) for _, drift, value in points])
    joined = " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in front)
    parts.append(element("polyline", points=joined, class_="front"))
    for row, drift, value in points:
        x = across.place(value)
        bar = element(
            "line", x1=x, x2=x, y1=up.place(drift.auc.low), y2=up.place(drift.auc.high), class_=f"bar {style_of(row)}"
        )
        title = _title(f"{row.name}: {value:.3g} {label.split(',')[0]}, AUC {drift.auc}")
        parts.append(element("g", title, bar, mark(row, x, up.place(drift.auc.value))))
    return _picture(268, f"AUC against {label}", parts)


def _front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that no other beats in both, cheapest first, joined by steps."""
    best: list[tuple[float, float]] = []
    for cost, value in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or value > best[-1][1]:
            if best:
                best.append((cost, best[-1][1]))
            best.append((cost, value))
    return best


def _measured(rows: Sequence[ArtifactResult]) -> list[tuple[ArtifactResult, DriftReport]]:
    return [(row, row.drift) for row in rows if row.drift is not None]


def _frame(
    across: Axis,
    up: Axis,
    x_label: str,
    y_label: str,
    x_format: Callable[[float], str],
    y_format: Callable[[float], str],
) -> str:
    parts = [_axis_across(across, up.end_px, up.start_px, x_label, x_format)]
    for tick in up.ticks:
        y = up.place(tick)
        parts.append(element("line", x1=across.start_px, x2=across.end_px, y1=y, y2=y, class_="grid"))
        parts.append(element("text", text(y_format(tick)), x=across.start_px - 5, y=y + 4, class_="tick end"))
    middle = (up.start_px + up.end_px) / 2
    parts.append(
        element("text", text(y_label), x=11, y=middle, transform=f"rotate(-90 11 {middle:.0f})", class_="label")
    )
    return "".join(parts)


def _axis_across(across: Axis, top: float, bottom: float, label: str, format: Callable[[float], str]) -> str:
    parts = []
    for tick in across.ticks:
        x = across.place(tick)
        parts.append(element("line", x1=x, x2=x, y1=top, y2=bottom, class_="grid"))
        parts.append(element("text", text(format(tick)), x=x, y=bottom + 15, class_="tick"))
    middle = (across.start_px + across.end_px) / 2
    parts.append(element("text", text(label), x=middle, y=bottom + 31, class_="label"))
    return "".join(parts)


def _title(label: str) -> str:
    return element("title", text(label))


def _nothing(fact: str) -> str:
    return element("p", text(fact))


def _picture(height: float, label: str, parts: Sequence[str]) -> str:
    return element("svg", *parts, viewBox=f"0 0 {WIDTH_PX:.0f} {height:.0f}", role="img", aria_label=label)
