"""Plots of latency, and of AUC against time or size, as inline SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_result import LatencyReport
from cxr_edge.benchmarks.result.drift_result import DriftReport
from cxr_edge.metrics.intervals import Interval
from cxr_edge.report.plot import LEFT_PX, RIGHT_PX, TOP_PX, axis_across, frame, nothing, picture, title
from cxr_edge.report.svg import Axis, decimal_axis, element, log_axis, text

__all__ = ["draw_cost", "draw_latency", "mark", "measured", "style_of"]

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


def draw_latency(result: BenchResult) -> str:
    """Return a strip of run times for each artifact, device and thread count that was measured, and p50, p90, p99."""
    strips = [(row, item) for row in result.artifacts for item in row.latencies]
    if not strips:
        return nothing("Nothing was timed.")
    times = np.concatenate([_join_turns(latency) for _, latency in strips])
    height = TOP_PX + 40 * len(strips)
    across = log_axis(float(times.min()), float(times.max()), 10, RIGHT_PX)
    parts = [axis_across(across, TOP_PX, height, "ms for one image, logarithmic", "{:g}".format)]
    for number, (row, latency) in enumerate(strips):
        parts.append(_strip(row, latency, across, TOP_PX + 40 * number, result))
    return picture(height + 36, "Distribution of latencies of each artifact", parts)


def _strip(row: ArtifactResult, latency: LatencyReport, across: Axis, top: float, result: BenchResult) -> str:
    name = row.name
    if len({item.device for other in result.artifacts for item in other.latencies}) > 1:
        name += f", {latency.device}"
    if len(row.latencies) > 1:
        name += f", {latency.threads} thread{'s' * (latency.threads > 1)}"
    times = np.sort(_join_turns(latency))
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
    return element("g", title(label), *parts)


def _join_turns(latency: LatencyReport) -> npt.NDArray[np.float64]:
    return np.concatenate([np.array(turn, dtype=np.float64) for turn in latency.times_ms])


def draw_cost(result: BenchResult, cost: Callable[[ArtifactResult], Interval | None], label: str) -> str:
    """Return AUC against a cost, with intervals. A line joins the artifacts that none beats in both."""
    points = []
    for row, drift in measured(result.artifacts):
        value = cost(row)
        if value is not None:
            points.append((row, drift, value))
    if not points:
        return nothing("Nothing was measured.")
    costs = [value for *_, value in points]
    across = log_axis(min(value.low for value in costs), max(value.high for value in costs), LEFT_PX, RIGHT_PX)
    up = decimal_axis(
        min(drift.auc.low for _, drift, _ in points), max(drift.auc.high for _, drift, _ in points), 230, TOP_PX
    )
    parts = [frame(across, up, label, "AUC", "{:g}".format, "{:g}".format)]
    front = _front([(value.value, drift.auc.value) for _, drift, value in points])
    joined = " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in front)
    parts.append(element("polyline", points=joined, class_="front"))
    for row, drift, value in points:
        x, y = across.place(value.value), up.place(drift.auc.value)
        ends = {"y1": up.place(drift.auc.low), "y2": up.place(drift.auc.high)}
        sides = {"x1": across.place(value.low), "x2": across.place(value.high)}
        bars = [
            element("line", x1=x, x2=x, class_=f"bar {style_of(row)}", **ends),
            element("line", y1=y, y2=y, class_=f"bar {style_of(row)}", **sides),
        ]
        name = title(f"{row.name}: {value.value:.3g} {label.split(',')[0]}, AUC {drift.auc}")
        parts.append(element("g", name, *bars, mark(row, x, y)))
    return picture(268, f"AUC against {label}", parts)


def _front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that no other point beats in both, cheapest first, joined by steps."""
    best: list[tuple[float, float]] = []
    for cost, value in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or value > best[-1][1]:
            if best:
                best.append((cost, best[-1][1]))
            best.append((cost, value))
    return best


def measured(rows: Sequence[ArtifactResult]) -> list[tuple[ArtifactResult, DriftReport]]:
    """Return the artifacts that ran, with their drift."""
    return [(row, row.drift) for row in rows if row.drift is not None]
