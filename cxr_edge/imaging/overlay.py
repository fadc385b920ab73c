"""A heat map drawn over its image: the picture that shows where the classifier looked.

The colours rise evenly in lightness, from violet to pale yellow, so that they keep their order for a colour-blind eye
and on a grey print; where the map is zero the image shows through untouched.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxr_edge.contract import HEATMAP_SHAPE, Pixels
from cxr_edge.errors import DataError

__all__ = ["OPACITY", "color_ramp", "layer", "overlay", "shrink"]

OPACITY = 0.45

# The map has 49 cells: a larger picture would show no more of it, and take seconds to write on a Pi.
_MAX_SIDE_PX = 1024

# Position on the ramp, then red, green, blue.
_RAMP = (
    (0.00, 40, 10, 90),
    (0.25, 120, 20, 130),
    (0.50, 205, 55, 85),
    (0.75, 245, 140, 35),
    (1.00, 252, 228, 90),
)


def color_ramp() -> npt.NDArray[np.uint8]:
    """Return the colours of the map's values 0 to 255, (256, 3) uint8 RGB."""
    position, *channels = np.array(_RAMP).T
    shades = np.linspace(0.0, 1.0, 256)
    return np.stack([np.rint(np.interp(shades, position, channel)) for channel in channels], axis=1).astype(np.uint8)


def overlay(film: Image.Image | Pixels, heatmap: npt.NDArray[np.float32], *, opacity: float = OPACITY) -> Image.Image:
    """Return the film in RGB, at its size and shape, under the map: (7, 7) or (49,) values in [0, 1], by rows.

    The cells cover the whole film, for the input contract squashes all of it. A value of 1 has `opacity` (0 to 1),
    lower values proportionally less. Raises DataError when the map is of another size.
    """
    picture = film if isinstance(film, Image.Image) else Image.fromarray(film)
    heat = layer(heatmap, picture.size)
    mask = heat.getchannel("A").point([round(level * opacity) for level in range(256)])
    return Image.composite(heat.convert("RGB"), picture.convert("RGB"), mask)


def shrink(picture: Image.Image) -> Image.Image:
    """Return a copy of a picture as small as overlays are: in its shape, no side over 1024 pixels."""
    small = picture.copy()
    small.thumbnail((_MAX_SIDE_PX, _MAX_SIDE_PX), Image.Resampling.BILINEAR)
    return small


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
