"""Grad-CAM figures: films that the model calls right and wrong, the maps of float and int8 side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.contract import Pixels, artifact_name
from cxr_edge.data.dataset import Dataset
from cxr_edge.errors import BundleError, DataError
from cxr_edge.imaging import picture_files
from cxr_edge.imaging.overlay import overlay
from cxr_edge.inference.batch import run_films
from cxr_edge.metrics.confusion import Floats, is_positive
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.system.progress import Progress

__all__ = ["ARTIFACTS", "GradcamFigure", "Shown", "ShownFilm", "choose", "draw_gradcam"]

ARTIFACTS = (artifact_name("tflite", "float32"), artifact_name("tflite", "int8"))

_SIDE_PX = 224
_GAP_PX = 8
_TEXT_PX = 38
_HEAD_PX = 26
_PANEL_WIDTH_PX = 3 * (_SIDE_PX + _GAP_PX) + _GAP_PX
_PANEL_HEIGHT_PX = _SIDE_PX + _TEXT_PX + _GAP_PX
_HEADS = ("film", "float32", "int8")
_BACK, _INK, _SOFT = (16, 20, 24), (235, 235, 235), (160, 170, 180)


@dataclass(frozen=True)
class Shown:
    """A film of the figure: its row among the films, and what became of it, such as "covid called noncovid"."""

    row: int
    outcome: str


@dataclass(frozen=True)
class ShownFilm:
    """A film that stands in a figure, and the probability that each artifact gives it."""

    film: str
    outcome: str
    probabilities: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the film as a JSON object."""
        return {"film": self.film, "outcome": self.outcome} | dict(self.probabilities)


@dataclass(frozen=True)
class GradcamFigure:
    """What a figure shows."""

    films: tuple[ShownFilm, ...]
    split: str

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "films": [film.to_json() for film in self.films],
            "split": self.split,
            "research_only": RESEARCH_ONLY,
        }


@dataclass(frozen=True)
class _Answers:
    """An artifact's answers to the films: probabilities (n,) of the positive class, and maps (n, 49)."""

    scores: Floats
    heatmaps: Floats


@dataclass(frozen=True)
class _Panel:
    """A film as it is drawn: the picture, the maps of ARTIFACTS over it, and the lines below."""

    pictures: tuple[Image.Image, ...]
    lines: tuple[str, str]


def draw_gradcam(bundle: Bundle, dataset: Dataset, out: Path, *, split: str = "test", each: int = 2) -> GradcamFigure:
    """Write the figure to `out` and return what it shows.

    Of each outcome (right and wrong, positive and negative) the `each` films are shown that float is surest of. Raises
    UsageError for another suffix than a picture's, BundleError without a float32 and an int8 .tflite with heat maps,
    DataError, RuntimeFailure, OutputError.
    """
    picture_files.picture_format(out)
    missing = [name for name in ARTIFACTS if name not in bundle.manifest.artifacts]
    if missing:
        raise BundleError(f"{bundle.path}: has no {missing[0]}; make it with 'cxr-edge export --quantize int8'")
    if bundle.manifest.positive != dataset.positive:
        raise DataError(
            f"{dataset.name}: its positive class is '{dataset.positive}', the bundle's '{bundle.manifest.positive}'"
        )
    films = dataset.select(split=split)
    with Progress("reading films", len(films.items)) as progress:
        pixels = films.pixels(progress=progress)
    answers = {name: _run(bundle, name, pixels) for name in ARTIFACTS}
    threshold = bundle.manifest.threshold
    shown = choose(answers[ARTIFACTS[0]].scores, films, threshold, each)
    panels = [_make_panel(films, film, pixels[film.row], answers) for film in shown]
    sheet = _draw(panels, f"Colour: what spoke for the likelier class. Threshold {threshold:.3f}. {RESEARCH_ONLY}")
    picture_files.save(sheet, out)
    return GradcamFigure(tuple(_describe(films, film, answers) for film in shown), split)


def choose(scores: Floats, dataset: Dataset, threshold: float, each: int) -> list[Shown]:
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


def _run(bundle: Bundle, name: str, pixels: Pixels) -> _Answers:
    outputs = run_films(bundle, bundle.artifact(name), pixels)
    if "heatmap" not in outputs:
        raise BundleError(f"{name}: gives no heat map; export the bundle again")
    return _Answers(outputs["probabilities"][:, bundle.manifest.positive_index], outputs["heatmap"])


def _describe(films: Dataset, film: Shown, answers: Mapping[str, _Answers]) -> ShownFilm:
    probabilities = {name: float(own.scores[film.row]) for name, own in answers.items()}
    return ShownFilm(films.items[film.row].item_id, film.outcome, probabilities)


def _make_panel(films: Dataset, film: Shown, pixels: Pixels, answers: Mapping[str, _Answers]) -> _Panel:
    maps = [overlay(pixels, answers[name].heatmaps[film.row]).convert("RGB") for name in ARTIFACTS]
    float32, int8 = answers[ARTIFACTS[0]].scores[film.row], answers[ARTIFACTS[1]].scores[film.row]
    item = films.items[film.row]
    lines = (
        f"{film.outcome}: P({films.positive}) float32 {float32:.3f}, int8 {int8:.3f}",
        f"{item.item_id} ({item.source})",
    )
    return _Panel((Image.fromarray(pixels).convert("RGB"), *maps), lines)


def _draw(panels: Sequence[_Panel], note: str) -> Image.Image:
    """Return the panels in two columns, under heads and over the note."""
    across = 2 if len(panels) > 1 else 1
    down = -(-len(panels) // across)
    height = _HEAD_PX + down * _PANEL_HEIGHT_PX + _HEAD_PX
    sheet = Image.new("RGB", (_PANEL_WIDTH_PX * across, height), _BACK)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for number, panel in enumerate(panels):
        left = (number % across) * _PANEL_WIDTH_PX + _GAP_PX
        top = _HEAD_PX + (number // across) * _PANEL_HEIGHT_PX
        for place, picture in enumerate(panel.pictures):
            sheet.paste(picture, (left + place * (_SIDE_PX + _GAP_PX), top))
        pen.text((left, top + _SIDE_PX + 2), panel.lines[0], fill=_INK, font=font)
        pen.text((left, top + _SIDE_PX + 19), panel.lines[1], fill=_SOFT, font=font)
    for place, head in enumerate(_HEADS):
        for column in range(across):
            left = column * _PANEL_WIDTH_PX + _GAP_PX + place * (_SIDE_PX + _GAP_PX)
            pen.text((left, 5), head, fill=_INK, font=font)
    pen.text((_GAP_PX, height - _HEAD_PX + 4), note, fill=_INK, font=font)
    return sheet
