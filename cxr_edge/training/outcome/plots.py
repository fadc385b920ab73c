"""The plots that a training run leaves: history, ROC with the operating point, confusion table."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from cxr_edge.metrics import confusion, roc
from cxr_edge.report import roc_figure
from cxr_edge.system import files
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["draw_confusion", "draw_history", "draw_roc", "save"]

matplotlib.use("Agg")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically, with the research-only note at its foot."""
    figure.text(0.99, 0.005, RESEARCH_ONLY, ha="right", va="bottom", fontsize=7, color="0.4")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    files.write_bytes(path, buffer.getvalue())


def draw_history(history: Sequence[dict[str, float]]) -> Figure:
    """Draw loss and accuracy by epoch, stages divided by lines."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    epochs = np.arange(1, len(history) + 1)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, [record[name] for record in history], label="train (augmented)", color="#888888")
        axes.plot(epochs, [record[f"val_{name}"] for record in history], label="validation", color="#0b6e99")
        for number in range(1, len(history)):
            if history[number]["stage"] != history[number - 1]["stage"]:
                axes.axvline(number + 0.5, color="0.8", linewidth=1)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.legend(frameon=False)
    return figure


def draw_roc(curves: dict[str, tuple[Any, Any]], threshold: float) -> Figure:
    """Draw the ROC of each named (scores, positive), with its AUC interval and the operating point."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    roc_figure.prepare(axes)
    for name, (scores, positive) in curves.items():
        counts = confusion.confuse(scores, positive, threshold)
        label = f"{name}: AUC {roc.auc_interval(scores, positive)}"
        point = counts.sensitivity, counts.specificity
        roc_figure.draw_curve(axes, scores, positive, label=label, point=point)
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    axes.set_title(f"ROC; dots at the threshold {threshold:.3f}", fontsize=10)
    return figure


def draw_confusion(counts: confusion.Confusion, labels: tuple[str, str]) -> Figure:
    """Draw a confusion table; `labels` are the positive and the negative class."""
    figure = Figure(figsize=(4.2, 3.8), layout="constrained")
    axes = figure.subplots()
    table = np.array(
        [[counts.true_positive, counts.false_negative], [counts.false_positive, counts.true_negative]], dtype=float
    )
    axes.imshow(table / table.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1.2)
    for (row, column), count in np.ndenumerate(table):
        axes.text(column, row, f"{count:.0f}", ha="center", va="center", fontsize=16)
    axes.set_xticks([0, 1], [f"called {label}" for label in labels])
    axes.set_yticks([0, 1], labels)
    axes.set_title(f"sensitivity {counts.sensitivity:.3f}, specificity {counts.specificity:.3f}", fontsize=10)
    return figure
