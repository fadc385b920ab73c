"""A heat map drawn over its film: the picture that shows where the classifier looked.

The map comes from the artifact itself, so nothing but numpy and Pillow is needed. The colours rise evenly in
lightness, from violet to pale yellow, so that they keep their order for a colour-blind eye and on a grey print; where
the map is zero the film shows through untouched.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from cxr_edge import RESEARCH_ONLY, files, images
from cxr_edge.classify import HEATMAP_SHAPE, STDIN, Prediction
from cxr_edge.errors import DataError, ImageError, UnsafeFileError, UsageError

__all__ = ["OPACITY", "color_ramp", "draw", "layer", "name_overlay", "name_overlays", "overlay", "write", "write_each"]

OPACITY = 0.45

# Position on the ramp, then red, green, blue.
_RAMP = (
    (0.00, 40, 10, 90),
    (0.25, 120, 20, 130),
    (0.50, 205, 55, 85),
    (0.75, 245, 140, 35),
    (1.00, 252, 228, 90),
)
# The map has 49 cells: a larger picture would show no more of it, and take seconds to write on a Pi.
_MAX_SIDE_PX = 1024
_MIN_FONT_PX = 14
_MARGIN_PX = 8
_TEXT = (235, 235, 235)


def color_ramp() -> npt.NDArray[np.uint8]:
    """Return the colours of the map's values 0 to 255, (256, 3) uint8 RGB."""
    position, *channels = np.array(_RAMP).T
    shades = np.linspace(0.0, 1.0, 256)
    return np.stack([np.rint(np.interp(shades, position, channel)) for channel in channels], axis=1).astype(np.uint8)


def overlay(
    film: Image.Image | images.Pixels, heatmap: npt.NDArray[np.float32], *, opacity: float = OPACITY
) -> Image.Image:
    """Return the film in RGB, at its size and shape, under the map: (7, 7) or (49,) values in [0, 1], by rows.

    The cells cover the whole film, for the input contract squashes all of it. A value of 1 has `opacity` (0 to 1),
    lower values proportionally less. Raises DataError when the map is of another size.
    """
    picture = film if isinstance(film, Image.Image) else Image.fromarray(film)
    heat = layer(heatmap, picture.size)
    mask = heat.getchannel("A").point([round(level * opacity) for level in range(256)])
    return Image.composite(heat.convert("RGB"), picture.convert("RGB"), mask)


def layer(heatmap: npt.NDArray[np.float32], size_px: tuple[int, int]) -> Image.Image:
    """Return the map alone, RGBA, `size_px` (width, height): its colours, as opaque as its values.

    Raises DataError when the map is of another size than (7, 7) or (49,).
    """
    if heatmap.size != HEATMAP_SHAPE[0] * HEATMAP_SHAPE[1]:
        raise DataError(f"heat map of shape {heatmap.shape}: an overlay needs {HEATMAP_SHAPE}; export the bundle again")
    cells = Image.fromarray(heatmap.reshape(HEATMAP_SHAPE).astype(np.float32))
    heat = np.asarray(cells.resize(size_px, Image.Resampling.BICUBIC))
    # Bicubic interpolation overshoots beside a steep edge.
    levels = np.rint(np.clip(heat, 0.0, 1.0) * 255).astype(np.uint8)
    return Image.fromarray(np.dstack([color_ramp()[levels], levels]))


def draw(
    prediction: Prediction, film: Image.Image, *, side_by_side: bool = False, opacity: float = OPACITY
) -> Image.Image:
    """Return the overlay of a prediction with a footer, the film beside it when `side_by_side`.

    The film keeps its shape and is made smaller where a side is over 1024 pixels. Raises DataError when the
    prediction has no heat map.
    """
    if prediction.heatmap is None:
        reason = prediction.error or f"{prediction.path}: the artifact gives no heat map; classify with another one"
        raise DataError(reason)
    picture = film.copy()
    picture.thumbnail((_MAX_SIDE_PX, _MAX_SIDE_PX), Image.Resampling.BILINEAR)
    marked = overlay(picture, prediction.heatmap, opacity=opacity)
    panels = [picture.convert("RGB"), marked] if side_by_side else [marked]
    return _compose(panels, _footer(prediction))


def write(
    prediction: Prediction, image: Path | bytes, out: Path, *, side_by_side: bool = False, opacity: float = OPACITY
) -> None:
    """Write the overlay of a prediction on the film `image`, a path or a file's content, to `out` as PNG, atomically.

    Raises ImageError, DataError when the prediction has no heat map, UsageError when `out` is the film itself,
    OutputError.
    """
    if isinstance(image, Path) and os.path.realpath(out) == os.path.realpath(image):
        raise UsageError(f"{out}: is the film itself, which would be lost; choose another place for the overlay")
    film = images.decode(image, name=str(prediction.path))
    picture = draw(prediction, film, side_by_side=side_by_side, opacity=opacity)
    with files.atomic_write(out) as handle:
        # Level 1 takes a quarter of the default's time and a fifth more space.
        picture.save(handle, "PNG", compress_level=1)


def write_each(
    predictions: Iterable[Prediction], place: Callable[[Path], Path], contents: Mapping[Path, bytes] | None = None
) -> Iterator[Prediction]:
    """Yield the predictions, the overlay of each written to `place` of its film first.

    `contents` are those of films without a file. A film that was taken away meanwhile gets an error and stops no other.
    Raises what `write` raises but for the film.
    """
    for prediction in predictions:
        if prediction.error is None:
            try:
                write(prediction, (contents or {}).get(prediction.path, prediction.path), place(prediction.path))
            except (ImageError, UnsafeFileError) as error:
                yield Prediction(prediction.path, prediction.positive, prediction.threshold, error=str(error))
                continue
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
