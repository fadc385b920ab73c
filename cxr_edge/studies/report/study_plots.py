"""The figures of the studies, drawn from their results alone, each saved as PNG and SVG."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from cxr_edge.metrics import calibration, paired
from cxr_edge.metrics.confusion import Bools, Floats
from cxr_edge.metrics.intervals import Interval
from cxr_edge.report import roc_figure
from cxr_edge.system import files
from cxr_edge.system.about import RESEARCH_ONLY

if TYPE_CHECKING:
    # Its module needs Keras, and most figures do not.
    from cxr_edge.training.network.layers import Block

__all__ = ["COLOURS", "draw", "draw_layers", "draw_reliability", "save"]

matplotlib.use("Agg")

COLOURS = ("#2368b8", "#c2376b", "#0f8f73", "#b26a00", "#6a48c4")
_GREY = "#6b7480"


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


def draw(result: dict[str, Any]) -> dict[str, Figure]:
    """Return the figures of a study's result by their names."""
    drawn: dict[str, Callable[[dict[str, Any]], dict[str, Figure]]] = {
        "backbones": _draw_backbones,
        "unfreeze": _draw_unfreeze,
        "balance": _draw_balance,
    }
    return drawn[result["study"]](result)


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


def _draw_backbones(result: dict[str, Any]) -> dict[str, Figure]:
    rows = [row for row in result["rows"] if row["compared"]]
    figure, axes = _open(5.6, 5.4)
    roc_figure.prepare(axes)
    for colour, row in zip(COLOURS, rows, strict=False):
        figures = row["figures"]
        scores = np.array(row["scores"][figures["split"]])
        positive = np.array(result["positive"][figures["split"]], dtype=bool)
        label = f"{row['backbone']}: AUC {Interval(figures['auc'], *figures['auc_95'])}"
        point = figures["sensitivity"], figures["specificity"]
        roc_figure.draw_curve(axes, scores, positive, label=label, point=point, color=colour, band=True)
    axes.set_title("ROC with pointwise 95 % bands; dots at the threshold of val", fontsize=9)
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    drawn = {"roc": figure}
    if any(row["exported"] for row in rows):
        drawn["cost"] = _draw_cost(rows)
    return drawn


def _draw_cost(rows: list[dict[str, Any]]) -> Figure:
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    panels = (("p50_ms", "ms for one film, median, one thread"), ("mb", "MB of file"))
    for axes, (cost, label) in zip(figure.subplots(1, 2, sharey=True), panels, strict=True):
        for colour, row in zip(COLOURS, rows, strict=False):
            for name, found in (row["exported"] or {"artifacts": {}})["artifacts"].items():
                if name.endswith(".keras") or "auc" not in found or cost not in found:
                    continue
                x = found[cost][0] if cost == "p50_ms" else found[cost]
                value, low, high = found["auc"]
                kind = "o" if "float32" in name else "s"
                reach = [[value - low], [high - value]]
                word = f"{row['backbone']}, {'float32' if kind == 'o' else 'int8'}"
                axes.errorbar(x, value, yerr=reach, fmt=kind, color=colour, capsize=2, label=word)
        axes.set(xscale="log", xlabel=f"{label}, logarithmic")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("AUC with 95 % DeLong interval")
    figure.axes[0].legend(loc="upper right", frameon=False, fontsize=8)
    return figure


def _draw_unfreeze(result: dict[str, Any]) -> dict[str, Figure]:
    curves = Figure(figsize=(9.6, 6.2), layout="constrained")
    panels = ("val_accuracy", "val_loss", "accuracy", "loss")
    names = ("validation accuracy", "validation loss", "training accuracy (augmented)", "training loss (augmented)")
    for axes, key, name in zip(curves.subplots(2, 2, sharex=True).ravel(), panels, names, strict=True):
        for colour, row in zip(COLOURS, result["rows"], strict=False):
            values = np.array([[record[key] for record in history] for history in row["histories"]])
            epochs = np.arange(1, values.shape[1] + 1)
            axes.plot(epochs, values.T, color=colour, alpha=0.25, linewidth=0.8)
            axes.plot(epochs, values.mean(axis=0), color=colour, label=f"{row['fraction']:.0%} unfrozen")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        if key.endswith("loss"):
            # One wild epoch would flatten all the rest.
            axes.set_ylim(0, min(axes.get_ylim()[1], 2.0))
    for axes in curves.axes[2:]:
        axes.set_xlabel("epoch")
    curves.axes[0].legend(frameon=False, fontsize=8)
    curves.suptitle("Mean of the seeds; each seed thin", fontsize=10)
    return {"curves": curves, "outcome": _draw_outcome(result)}


def _draw_outcome(result: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    labels = [f"{row['fraction']:.0%}" for row in result["rows"]]
    for place, (colour, row) in enumerate(zip(COLOURS, result["rows"], strict=False)):
        count = len(row["figures"])
        spread = place + (np.arange(count) - (count - 1) / 2) * 0.16
        for x, own in zip(spread, row["figures"], strict=True):
            low, high = own["auc_95"]
            left.errorbar(
                x, own["auc"], yerr=[[own["auc"] - low], [high - own["auc"]]], fmt="o", color=colour, capsize=2
            )
            low, high = own["accuracy_95"]
            reach = [[own["accuracy"] - low], [high - own["accuracy"]]]
            middle.errorbar(x, own["accuracy"], yerr=reach, fmt="o", color=colour, capsize=2)
        right.plot(spread, row["epochs_to_converge"], "o", color=colour)
    for axes, name in ((left, "AUC"), (middle, "accuracy"), (right, "epochs to converge")):
        axes.set_xticks(range(len(labels)), labels)
        axes.set(xlabel="unfrozen", ylabel=name)
        axes.grid(alpha=0.3)
    right.set_ylim(bottom=0)
    figure.suptitle(f"{result['rows'][0]['figures'][0]['split']} films; a dot a seed, with 95 % intervals", fontsize=10)
    return figure


def _draw_balance(result: dict[str, Any]) -> dict[str, Figure]:
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    panels = figure.subplots(1, 3)
    labels = [row["way"] for row in result["rows"]]
    for place, (colour, row) in enumerate(zip(COLOURS, result["rows"], strict=False)):
        count = len(row["figures"])
        spread = place + (np.arange(count) - (count - 1) / 2) * 0.12
        values = ([own["auc"] for own in row["figures"]], row["sensitivity_at_half"], row["specificity_at_half"])
        for axes, own in zip(panels, values, strict=True):
            axes.plot(spread, own, "o", color=colour, markersize=4)
        mean = row["mean_figures"]
        reach = [[mean["auc"] - mean["auc_95"][0]], [mean["auc_95"][1] - mean["auc"]]]
        panels[0].errorbar(place, mean["auc"], yerr=reach, fmt="_", color=_GREY, capsize=3, zorder=0)
    for axes, name in zip(panels, ("AUC", "sensitivity at 0.5", "specificity at 0.5"), strict=True):
        axes.set_xticks(range(len(labels)), labels)
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
    figure.suptitle("A dot a seed; grey: the mean probability of all seeds, with the 95 % DeLong interval", fontsize=10)
    return {"balance": figure}


def _open(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
