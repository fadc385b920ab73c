"""Give a film the look of a film from another source: its grey levels and how its power falls with spatial frequency.

Where each class comes from sources of its own, a network can tell the classes by a scanner's tone and sharpness. A
film that borrows these from the other source and keeps its label makes the look worthless and leaves the anatomy.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["borrow"]

Plane = npt.NDArray[np.uint8]
_BANDS = 24
_QUANTILES = np.linspace(0.02, 0.98, 17)
_LARGEST = 2.5
"""No band is raised and no grey step stretched by more: beyond it noise and posterised lungs tell what was done."""


def borrow(film: Plane, partner: Plane, *, tone: float, spectrum: float) -> Plane:
    """Return the grey film (side, side) with the partner's look; 0 keeps its own, 1 takes the partner's.

    `tone` is the share of the grey levels, whose quantiles are taken within the middle, where the chest is; `spectrum`
    is the share of the mean amplitude in each ring of spatial frequencies.
    """
    changed = film.astype(np.float32)
    changed = changed + tone * (_match_levels(changed, partner) - changed)
    changed = _match_spectrum(changed, partner, spectrum)
    rounded: Plane = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    return rounded


def _match_levels(film: npt.NDArray[np.float32], partner: Plane) -> npt.NDArray[np.float32]:
    own, other = (_quantiles(plane) for plane in (film, partner))
    # A flat film has equal quantiles; interpolation needs rising ones.
    own = own + np.arange(len(own)) * 1e-3
    steps = np.maximum(np.diff(own), 1e-3)
    moved = np.cumsum(np.append(0, np.clip(np.diff(other) / steps, 1 / _LARGEST, _LARGEST) * steps))
    moved += other[len(other) // 2] - moved[len(moved) // 2]
    # Beyond the outer quantiles the levels shift and keep their distances.
    own = np.concatenate([[own[0] - 255], own, [own[-1] + 255]])
    moved = np.concatenate([[moved[0] - 255], moved, [moved[-1] + 255]])
    matched: npt.NDArray[np.float32] = np.interp(film, own, moved).astype(np.float32)
    return matched


def _quantiles(plane: Any) -> npt.NDArray[np.float64]:
    edge = plane.shape[0] // 11
    levels: npt.NDArray[np.float64] = np.quantile(plane[edge:-edge, edge:-edge], _QUANTILES)
    return levels


def _match_spectrum(film: npt.NDArray[np.float32], partner: Plane, share: float) -> npt.NDArray[np.float32]:
    rings, place = _rings(film.shape[0])
    mean = film.mean()
    waves = np.fft.rfft2(film - mean)
    theirs = np.fft.rfft2(partner - partner.mean())
    own, other = (np.bincount(rings.ravel(), np.abs(values).ravel(), minlength=_BANDS) for values in (waves, theirs))
    gain = np.clip((other + 1) / (own + 1), 1 / _LARGEST, _LARGEST) ** share
    smooth = np.interp(place, np.arange(_BANDS), gain)
    changed: npt.NDArray[np.float32] = (np.fft.irfft2(waves * smooth, s=film.shape) + mean).astype(np.float32)
    return changed


@lru_cache
def _rings(side: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return for each frequency of a square film the number of its ring, and its place between ring centres."""
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) / 0.5
    # The root makes the rings narrow where films differ most, at the low frequencies.
    place = np.minimum(np.sqrt(radius), 1) * _BANDS
    return np.minimum(place.astype(np.int64), _BANDS - 1), place - 0.5
