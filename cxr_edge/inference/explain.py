"""A prediction as a picture: the film under its heat map, with a footer that says what was predicted.

The map comes from the artifact itself, so nothing but numpy and Pillow is needed.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cxr_edge.errors import DataError, UsageError
from cxr_edge.imaging import picture_files
from cxr_edge.imaging.overlay import OPACITY, color_ramp, overlay, shrink
from cxr_edge.inference.classify import Prediction
from cxr_edge.inference.sources import STDIN
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["draw", "name_overlay", "name_overlays", "write", "write_each"]

_MIN_FONT_PX = 14
_MARGIN_PX = 8
_TEXT = (235, 235, 235)


def draw(prediction: Prediction, *, side_by_side: bool = False, opacity: float = OPACITY) -> Image.Image:
    """Return the overlay of a prediction with a footer, the film beside it when `side_by_side`.

    The film keeps its shape and is made smaller where a side is over 1024 pixels. Raises DataError when the
    prediction has no heat map, or its picture was not kept.
    """
    if prediction.heatmap is None:
        reason = prediction.error or f"{prediction.path}: the artifact gives no heat map; classify with another one"
        raise DataError(reason)
    if prediction.picture is None:
        raise DataError(f"{prediction.path}: its picture was not kept; classify it with keep_pictures")
    picture = shrink(prediction.picture)
    marked = overlay(picture, prediction.heatmap, opacity=opacity)
    panels = [picture.convert("RGB"), marked] if side_by_side else [marked]
    return _compose(panels, _footer(prediction))


def write(prediction: Prediction, out: Path, *, side_by_side: bool = False, opacity: float = OPACITY) -> None:
    """Write the overlay of a prediction to `out`, atomically, in the format that the suffix says.

    Raises what `draw` and `picture_files.save` raise, UsageError when `out` is the image itself, OutputError.
    """
    picture_files.picture_format(out)
    if os.path.realpath(out) == os.path.realpath(prediction.path):
        raise UsageError(f"{out}: is the film itself, which would be lost; choose another place for the overlay")
    picture = draw(prediction, side_by_side=side_by_side, opacity=opacity)
    picture_files.save(picture, out)


def write_each(predictions: Iterable[Prediction], place: Callable[[Path], Path]) -> Iterator[Prediction]:
    """Yield the predictions, the overlay of each that has no error written to `place` of its film first.

    Raises what `write` raises.
    """
    for prediction in predictions:
        if prediction.error is None:
            write(prediction, place(prediction.path))
        yield prediction


def name_overlays(films: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Return where in `folder` the overlay of each film goes: its name and "_heatmap.png".

    Films of the same name get a piece of their path's hash as well, so that none takes another's place.
    """
    counts = Counter(film.stem.casefold() for film in films)
    return {film: folder / name_overlay(film, hashed=counts[film.stem.casefold()] > 1) for film in films}


def name_overlay(film: Path, *, hashed: bool = True) -> str:
    """Return the file name of a film's overlay; with a piece of its path's hash no other film has the same."""
    tag = "_" + hashlib.sha256(os.fsencode(film)).hexdigest()[:8] if hashed else ""
    return f"{'stdin' if film == STDIN else film.stem}{tag}_heatmap.png"


def _footer(prediction: Prediction) -> list[str]:
    chosen = max(prediction.probabilities, key=prediction.probabilities.__getitem__)
    lines = [
        f"{prediction.label}: P({prediction.positive}) {prediction.probability:.3f}, "
        f"threshold {prediction.threshold:.3f}",
        # The map explains the likelier class, which need not be the label where the threshold is not a half.
        f"Colour: what spoke for {chosen}",
    ]
    if prediction.untypical:
        lines.append("Unlike the training films: do not rely on this")
    return [*lines, RESEARCH_ONLY]


def _compose(panels: list[Image.Image], lines: list[str]) -> Image.Image:
    """Return the panels side by side over the lines of text, the second of which gets the legend."""
    panels_px = sum(panel.width for panel in panels) + _MARGIN_PX * (len(panels) - 1)
    font_px = max(_MIN_FONT_PX, panels_px // 80)
    font, line_px, legend_px = ImageFont.load_default(font_px), font_px * 7 // 5, (font_px * 7, font_px * 2 // 3)
    widths = [int(font.getlength(line)) for line in lines]
    widths[1] += _MARGIN_PX + legend_px[0]
    top = max(panel.height for panel in panels) + _MARGIN_PX
    canvas = Image.new("RGB", (max(panels_px, *widths) + 2 * _MARGIN_PX, top + line_px * len(lines) + _MARGIN_PX))
    left = (canvas.width - panels_px) // 2
    for panel in panels:
        canvas.paste(panel, (left, 0))
        left += panel.width + _MARGIN_PX
    pen = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        pen.text((_MARGIN_PX, top + number * line_px), line, font=font, fill=_TEXT)
    legend = Image.fromarray(color_ramp()[np.newaxis]).resize(legend_px)
    canvas.paste(legend, (_MARGIN_PX + widths[1] - legend_px[0], top + line_px + font_px // 4))
    return canvas
