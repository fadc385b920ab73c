"""The figures of the studies, drawn from their results alone, each saved as PNG and SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from cxr_edge.metrics import calibration, paired
from cxr_edge.metrics.confusion import Bools, Floats
from cxr_edge.metrics.intervals import Interval
from cxr_edge.report import roc_figure
from cxr_edge.studies.report.backbones_result import BackboneStudy, TrainedBackbone
from cxr_edge.studies.report.balance_result import BalanceStudy
from cxr_edge.studies.report.unfreeze_result import UnfreezeStudy
from cxr_edge.system import files
from cxr_edge.system.about import RESEARCH_ONLY

if TYPE_CHECKING:
    # Its module needs Keras, and most figures do not.
    from cxr_edge.training.network.layers import Block

__all__ = ["COLOURS", "draw", "draw_layers", "draw_reliability", "save"]

matplotlib.use("Agg")

COLOURS = ("#2368b8", "#c2376b", "#0f8f73", "#b26a00", "#6a48c4")
_GREY = "#6b7480"

_Trained = tuple[str, TrainedBackbone]


def save(figure: Figure, path: Path) -> None:
    """Write a figure as `path`.png and `path`.svg, atomically, with the research-only note at its foot."""
    engine = figure.get_layout_engine()
    if engine is not None:
        # Room for the note, below what the axes write.
        engine.set(rect=(0, 0.05, 1, 0.95))  # type: ignore[call-arg]
    figure.text(0.99, 0.008, RESEARCH_ONLY, ha="right", va="bottom", fontsize=7, color="0.4")
    for suffix, facts in ((".png", {"Software": None}), (".svg", {"Date": None, "Creator": None})):
        buffer = io.BytesIO()
        # Without a salt matplotlib numbers the parts of an SVG at random, and no two runs would give the same file.
        with matplotlib.rc_context({"svg.hashsalt": "cxr-edge", "svg.fonttype": "none"}):
            figure.savefig(buffer, format=suffix[1:], dpi=110, metadata=facts)
        files.write_bytes(path.with_name(path.name + suffix), buffer.getvalue())


def draw(study: BackboneStudy | BalanceStudy | UnfreezeStudy) -> dict[str, Figure]:
    """Return the figures of a study's result by their names."""
    if isinstance(study, BackboneStudy):
        return _draw_backbones(study)
    if isinstance(study, UnfreezeStudy):
        return {"curves": _draw_curves(study), "outcome": _draw_outcome(study)}
    return {"balance": _draw_balance(study)}


def draw_reliability(scores: Floats, positive: Bools, temperature: float, title: str) -> Figure:
    """Return how often films are positive against how probable the model says it is, plain and with the temperature."""
    figure, axes = _open(5.2, 5.0)
    axes.plot([0, 1], [0, 1], color="0.75", linewidth=1)
    shown = (("as it is", scores), (f"temperature {temperature:.2f}", calibration.soften(scores, temperature)))
    for colour, (name, values) in zip(COLOURS, shown, strict=False):
        bins = calibration.reliability(values, positive)
        means = [found.score for found in bins]
        shares = np.array([found.positive.value for found in bins])
        reach = np.array([[found.positive.low, found.positive.high] for found in bins]).T
        error = float(paired.calibration_error(values[None].astype(np.float64), positive)[0])
        label = f"{name}: calibration error {error:.3f}, log loss {calibration.log_loss(values, positive):.3f}"
        axes.errorbar(means, shares, yerr=np.abs(reach - shares), fmt="o-", color=colour, capsize=2, label=label)
    axes.set(
        xlabel="mean probability in the bin", ylabel="part that is positive", title=title, xlim=(0, 1), ylim=(0, 1)
    )
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    return figure


def draw_layers(blocks: Sequence[Block], title: str) -> Figure:
    """Return the classifier as a chain of boxes with shapes and parameters, the part that trains coloured."""
    figure = Figure(figsize=(6.4, 0.42 * len(blocks) + 0.9), layout="constrained")
    axes = figure.subplots()
    for number, block in enumerate(blocks):
        y = -number
        face = "#dbe9f8" if block.trainable else "#eeeeee"
        axes.add_patch(matplotlib.patches.Rectangle((0, y - 0.36), 1, 0.72, facecolor=face, edgecolor="0.5"))
        shape = " x ".join(str(side) for side in block.shape) or "1"
        axes.text(0.02, y, f"{block.name}  ({block.kind})", va="center", fontsize=8)
        axes.text(0.66, y, shape, va="center", ha="right", fontsize=8)
        axes.text(
            0.98, y, f"{block.parameters:,} parameters" if block.parameters else "", va="center", ha="right", fontsize=8
        )
        if number:
            axes.annotate("", (0.5, y + 0.36), (0.5, y + 0.64), arrowprops={"arrowstyle": "->", "color": "0.5"})
    axes.set(
        xlim=(-0.01, 1.01),
        ylim=(-len(blocks) + 0.3, 0.6),
        title=f"{title}; blue: trains, grey: frozen or without weights",
    )
    axes.title.set_fontsize(9)
    axes.axis("off")
    return figure


def _draw_backbones(study: BackboneStudy) -> dict[str, Figure]:
    trained = [(row.backbone, row.trained) for row in study.rows if row.trained is not None]
    drawn = {"roc": _draw_roc(trained, study.facts.positive)}
    if any(own.exported for _, own in trained):
        drawn["cost"] = _draw_costs(trained)
    return drawn


def _draw_roc(trained: Sequence[_Trained], truth: Mapping[str, list[bool]]) -> Figure:
    figure, axes = _open(5.6, 5.4)
    roc_figure.prepare(axes)
    for colour, (backbone, own) in zip(COLOURS, trained, strict=False):
        first = own.figures[0]
        scores = np.array(own.scores[first.split])
        positive = np.array(truth[first.split], dtype=bool)
        counts = first.summary.counts
        point = counts.sensitivity, counts.specificity
        label = f"{backbone}: AUC {first.auc}"
        roc_figure.draw_curve(axes, scores, positive, label=label, point=point, color=colour, band=True)
    axes.set_title("ROC with pointwise 95 % bands; dots at the threshold of val", fontsize=9)
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    return figure


def _draw_costs(trained: Sequence[_Trained]) -> Figure:
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    latency_axes, size_axes = figure.subplots(1, 2, sharey=True)
    for colour, (backbone, own) in zip(COLOURS, trained, strict=False):
        artifacts = own.exported.artifacts if own.exported else {}
        for name, found in artifacts.items():
            if name.endswith(".keras") or found.auc is None:
                continue
            kind = "float32" if "float32" in name else "int8"
            style = {"fmt": "o" if kind == "float32" else "s", "color": colour, "capsize": 2}
            point = {"y": found.auc.value, "yerr": _reach(found.auc), "label": f"{backbone}, {kind}"} | style
            if found.latency is not None:
                latency_axes.errorbar(x=found.latency.p50_ms.value, **point)
            size_axes.errorbar(x=found.size_mb, **point)
    _scale_costs(latency_axes, "ms for one film, median, one thread")
    _scale_costs(size_axes, "MB of file")
    latency_axes.set_ylabel("AUC with 95 % DeLong interval")
    latency_axes.legend(loc="upper right", frameon=False, fontsize=8)
    return figure


def _scale_costs(axes: Axes, label: str) -> None:
    axes.set(xscale="log", xlabel=f"{label}, logarithmic")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)


def _draw_curves(study: UnfreezeStudy) -> Figure:
    figure = Figure(figsize=(9.6, 6.2), layout="constrained")
    panels = {
        "val_accuracy": "validation accuracy",
        "val_loss": "validation loss",
        "accuracy": "training accuracy (augmented)",
        "loss": "training loss (augmented)",
    }
    for axes, (key, name) in zip(figure.subplots(2, 2, sharex=True).ravel(), panels.items(), strict=True):
        for colour, row in zip(COLOURS, study.rows, strict=False):
            values = np.array([[record[key] for record in history] for history in row.histories])
            epochs = np.arange(1, values.shape[1] + 1)
            axes.plot(epochs, values.T, color=colour, alpha=0.25, linewidth=0.8)
            axes.plot(epochs, values.mean(axis=0), color=colour, label=f"{row.fraction:.0%} unfrozen")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        if key.endswith("loss"):
            # One wild epoch would flatten all the rest.
            axes.set_ylim(0, min(axes.get_ylim()[1], 2.0))
    for axes in figure.axes[2:]:
        axes.set_xlabel("epoch")
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.suptitle("Mean of the seeds; each seed thin", fontsize=10)
    return figure


def _draw_outcome(study: UnfreezeStudy) -> Figure:
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for place, (colour, row) in enumerate(zip(COLOURS, study.rows, strict=False)):
        spread = _spread(place, len(row.figures), 0.16)
        style = {"fmt": "o", "color": colour, "capsize": 2}
        for x, own in zip(spread, row.figures, strict=True):
            left.errorbar(x, own.auc.value, yerr=_reach(own.auc), **style)
            middle.errorbar(x, own.accuracy.value, yerr=_reach(own.accuracy), **style)
        right.plot(spread, row.epochs_to_converge, "o", color=colour)
    labels = [f"{row.fraction:.0%}" for row in study.rows]
    for axes, name in ((left, "AUC"), (middle, "accuracy"), (right, "epochs to converge")):
        axes.set_xticks(range(len(labels)), labels)
        axes.set(xlabel="unfrozen", ylabel=name)
        axes.grid(alpha=0.3)
    right.set_ylim(bottom=0)
    split = study.rows[0].figures[0].split
    figure.suptitle(f"{split} films; a dot a seed, with 95 % intervals", fontsize=10)
    return figure


def _draw_balance(study: BalanceStudy) -> Figure:
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for place, (colour, row) in enumerate(zip(COLOURS, study.rows, strict=False)):
        spread = _spread(place, len(row.figures), 0.12)
        left.plot(spread, [own.auc.value for own in row.figures], "o", color=colour, markersize=4)
        middle.plot(spread, row.sensitivity_at_half, "o", color=colour, markersize=4)
        right.plot(spread, row.specificity_at_half, "o", color=colour, markersize=4)
        mean = row.mean_figures.auc
        left.errorbar(place, mean.value, yerr=_reach(mean), fmt="_", color=_GREY, capsize=3, zorder=0)
    labels = [row.way for row in study.rows]
    for axes, name in ((left, "AUC"), (middle, "sensitivity at 0.5"), (right, "specificity at 0.5")):
        axes.set_xticks(range(len(labels)), labels)
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
    figure.suptitle("A dot a seed; grey: the mean probability of all seeds, with the 95 % DeLong interval", fontsize=10)
    return figure


def _spread(place: int, count: int, step: float) -> Floats:
    """Return where `count` seeds stand around a place, `step` apart."""
    places: Floats = place + (np.arange(count) - (count - 1) / 2) * step
    return places


def _reach(value: Interval) -> list[list[float]]:
    """Return how far an interval reaches below and above its value, as errorbar takes it."""
    return [[value.value - value.low], [value.high - value.value]]


def _open(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
