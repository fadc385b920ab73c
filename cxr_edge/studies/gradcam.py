"""Grad-CAM figures: films that the model calls right and wrong, the maps of float and int8 side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.contract import artifact_name
from cxr_edge.data.dataset import Dataset, Item
from cxr_edge.errors import BundleError, DataError
from cxr_edge.imaging.overlay import overlay
from cxr_edge.inference.batch import run_films
from cxr_edge.metrics.confusion import is_positive
from cxr_edge.system import files
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.system.progress import Progress

__all__ = ["ARTIFACTS", "Shown", "choose", "draw_gradcam"]

ARTIFACTS = (artifact_name("tflite", "float32"), artifact_name("tflite", "int8"))

_SIDE_PX = 224
_GAP_PX = 8
_TEXT_PX = 38
_HEAD_PX = 26
_BACK, _INK, _SOFT = (16, 20, 24), (235, 235, 235), (160, 170, 180)


@dataclass(frozen=True)
class Shown:
    """A film of the figure: its row among the films, and what became of it, such as "covid called noncovid"."""

    row: int
    outcome: str


def draw_gradcam(bundle: Bundle, dataset: Dataset, out: Path, *, split: str = "test", each: int = 2) -> dict[str, Any]:
    """Write the figure to `out` as PNG and return what it shows.

    Of each outcome (right and wrong, positive and negative) the `each` films are shown that float is surest of. Raises
    BundleError without a float32 and an int8 .tflite with heat maps, DataError, RuntimeFailure, OutputError.
    """
    missing = [name for name in ARTIFACTS if name not in bundle.manifest.artifacts]
    if missing:
        raise BundleError(f"{bundle.path}: has no {missing[0]}; make it with 'cxr-edge export --quantize int8'")
    if bundle.manifest.positive != dataset.positive:
        raise DataError(
            f"{dataset.name}: its positive class is '{dataset.positive}', the bundle's '{bundle.manifest.positive}'"
        )
    chosen = dataset.select(split=split)
    with Progress("reading films", len(chosen.items)) as progress:
        pixels = chosen.pixels(progress=progress)
    outputs = {name: _run(bundle, name, pixels) for name in ARTIFACTS}
    scores = {name: own["probabilities"][:, bundle.manifest.positive_index] for name, own in outputs.items()}
    shown = choose(scores[ARTIFACTS[0]], chosen, bundle.manifest.threshold, each)
    _draw(chosen, shown, pixels, outputs, scores, bundle.manifest.threshold, out)
    return {
        "films": [
            {"film": chosen.items[film.row].item_id, "outcome": film.outcome}
            | {name: float(own[film.row]) for name, own in scores.items()}
            for film in shown
        ],
        "split": split,
        "research_only": RESEARCH_ONLY,
    }


def choose(scores: Any, dataset: Dataset, threshold: float, each: int) -> list[Shown]:
    """Return the films to show, outcome by outcome, surest first; an outcome that no film has is left out."""
    positive = np.array([item.label == dataset.positive for item in dataset.items])
    called = is_positive(scores, threshold)
    other = next(label for label in dataset.labels if label != dataset.positive)
    names = {True: dataset.positive, False: other}
    shown = []
    for truth, call in ((True, True), (False, False), (True, False), (False, True)):
        rows = np.flatnonzero((positive == truth) & (called == call))
        surest = rows[np.argsort(-np.abs(scores[rows] - threshold), kind="stable")][:each]
        shown += [Shown(int(row), f"{names[truth]} called {names[call]}") for row in surest]
    return shown


def _run(bundle: Bundle, name: str, pixels: Any) -> dict[str, Any]:
    outputs = run_films(bundle, bundle.artifact(name), pixels)
    if "heatmap" not in outputs:
        raise BundleError(f"{name}: gives no heat map; export the bundle again")
    return outputs


def _draw(
    dataset: Dataset,
    shown: list[Shown],
    pixels: Any,
    outputs: dict[str, Any],
    scores: dict[str, Any],
    threshold: float,
    out: Path,
) -> None:
    columns = ("film", "float32", "int8")
    panel = 3 * (_SIDE_PX + _GAP_PX) + _GAP_PX
    across = 2 if len(shown) > 1 else 1
    down = -(-len(shown) // across)
    height = _HEAD_PX + down * (_SIDE_PX + _TEXT_PX + _GAP_PX) + _HEAD_PX
    sheet = Image.new("RGB", (panel * across, height), _BACK)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for number, film in enumerate(shown):
        left = (number % across) * panel + _GAP_PX
        top = _HEAD_PX + (number // across) * (_SIDE_PX + _TEXT_PX + _GAP_PX)
        pictures = [Image.fromarray(pixels[film.row])]
        pictures += [overlay(pixels[film.row], outputs[name]["heatmap"][film.row]) for name in ARTIFACTS]
        for place, picture in enumerate(pictures):
            sheet.paste(picture.convert("RGB"), (left + place * (_SIDE_PX + _GAP_PX), top))
        line = f"{film.outcome}: P({dataset.positive}) float32 {scores[ARTIFACTS[0]][film.row]:.3f}"
        pen.text((left, top + _SIDE_PX + 2), f"{line}, int8 {scores[ARTIFACTS[1]][film.row]:.3f}", fill=_INK, font=font)
        pen.text((left, top + _SIDE_PX + 19), _name(dataset.items[film.row]), fill=_SOFT, font=font)
    for place, word in enumerate(columns):
        for column in range(across):
            pen.text((column * panel + _GAP_PX + place * (_SIDE_PX + _GAP_PX), 5), word, fill=_INK, font=font)
    note = f"Colour: what spoke for the likelier class. Threshold {threshold:.3f}. {RESEARCH_ONLY}"
    pen.text((_GAP_PX, height - _HEAD_PX + 4), note, fill=_INK, font=font)
    with files.atomic_write(out) as handle:
        sheet.save(handle, "PNG")


def _name(item: Item) -> str:
    return f"{item.item_id} ({item.source})"
