"""What no image file may exceed, what a damaged one raises, and how deep grey values become 8 bits."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

from cxr_edge.contract import Pixels
from cxr_edge.errors import UnsafeFileError

__all__ = ["DAMAGE", "MAX_FILE_BYTES", "MAX_PIXELS", "check_size", "stretch"]

MAX_FILE_BYTES = 256 * 2**20
MAX_PIXELS = 40_000_000

DAMAGE: tuple[type[Exception], ...] = (ArithmeticError, AssertionError, AttributeError, EOFError, LookupError)
DAMAGE += (MemoryError, OSError, RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zlib.error)
"""What Pillow's plugins and pydicom raise on damaged files: found by fuzzing and in their sources."""


def check_size(name: str, width: int, height: int) -> None:
    """Refuse a picture that is too large to decode. Raises UnsafeFileError."""
    if width * height > MAX_PIXELS:
        raise UnsafeFileError(
            f"{name}: {width} x {height} pixels is {width * height / 1e6:.0f} megapixels, over the limit of "
            f"{MAX_PIXELS / 1e6:.0f}; save a smaller copy of the film"
        )


def stretch(values: npt.NDArray[np.integer]) -> Pixels:
    """Return grey values of 0 to 65535 as 8 bits: up to 255 they stay, deeper ones are stretched, least to greatest."""
    low, high = int(values.min()), int(values.max())
    if high <= 255:
        return values.astype(np.uint8)
    # A shade for each value there can be: far smaller than the picture in floating point.
    ramp = np.arange(high + 1, dtype=np.float64) - low
    shades: Pixels = np.rint(np.maximum(ramp, 0.0) * (255.0 / max(high - low, 1))).astype(np.uint8)[values]
    return shades
