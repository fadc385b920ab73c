"""What of an image may spoil a prediction: too small, in colour, nearly uniform, inverted."""

from __future__ import annotations

import numpy as np

from cxr_edge.contract import Pixels

__all__ = ["find_warnings"]

# Limits of the warnings; of 1501 real films none is beyond any (docs/adr/0003-image-decoding.md).
_UNIFORM_SPREAD = 8.0
_COLOUR_CHROMA = 8
_COLOUR_SHARE = 0.1
_INVERTED_CONTRAST = -0.5


def find_warnings(pixels: Pixels, width: int, height: int, *, grey: bool) -> tuple[str, ...]:
    """Return what the contract pixels, and the original's size and kind, warn of."""
    notes = []
    if min(width, height) < len(pixels):
        notes.append(f"low resolution ({width} x {height} px)")
    # Most films are grey, and looking for colour takes a tenth of the time of reading one.
    if not grey and _colour_share(pixels) > _COLOUR_SHARE:
        notes.append("colour picture; chest films are grey")
    green = np.ascontiguousarray(pixels[:, :, 1])
    spread = float(green.std())
    if spread < _UNIFORM_SPREAD:
        notes.append("nearly uniform picture")
    elif _mediastinum_contrast(green) / spread < _INVERTED_CONTRAST:
        notes.append("lungs brighter than the mediastinum; the film may be inverted")
    return tuple(notes)


def _colour_share(pixels: Pixels) -> float:
    """Return which share of the pixels is coloured."""
    red, green, blue = np.moveaxis(pixels, 2, 0)
    chroma = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return float((chroma > _COLOUR_CHROMA).mean())


def _mediastinum_contrast(grey: Pixels) -> float:
    """Return how much brighter the heart and spine are than the lungs, by where they lie on a frontal film."""
    middle = grey[101:190, 99:130].mean()
    lungs = (grey[56:134, 45:81].mean() + grey[56:134, 143:179].mean()) / 2
    return float(middle - lungs)
