"""Stored values of a DICOM X-ray to shades of grey: the standard's pipeline (PS3.3 C.11, PS3.4 N.2).

Modality LUT or rescale, then VOI LUT or window, then polarity.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cxr_edge.contract import Pixels

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["has_invalid_window", "shade"]

_Values = npt.NDArray[np.float64]


def shade(stored: npt.NDArray[Any], dataset: Dataset) -> Pixels:
    """Return stored grey values as they are to be shown: modality LUT, then VOI LUT or window, then polarity."""
    low, high = int(stored.min()), int(stored.max())
    # The pipeline runs once for each stored value, of which there are 65536 at most, not for each pixel.
    with np.errstate(all="ignore"):
        values = _rescale(np.arange(low, high + 1, dtype=np.float64), dataset)
        shades = np.clip(_show(values, stored, dataset), 0.0, 1.0)
    if np.isnan(shades).any():
        raise ValueError("the tags give no grey values")
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shades = 1.0 - shades
    table = np.rint(shades * 255.0).astype(np.uint8)
    picture: Pixels = table[np.subtract(stored, low, dtype=np.int64)]
    return picture


def has_invalid_window(dataset: Dataset) -> bool:
    """Say whether there is a window that would be shown, but that the standard does not allow."""
    stated = dataset.get("WindowWidth") is not None and not dataset.get("VOILUTSequence")
    return stated and _read_window(dataset) is None


def _show(values: _Values, stored: npt.NDArray[Any], dataset: Dataset) -> _Values:
    """Return the values through the VOI LUT, the window, or their own range: 0 is darkest, 1 brightest."""
    if dataset.get("VOILUTSequence"):
        levels, bits = _look_up(values, dataset.VOILUTSequence[0])
        return levels / ((1 << bits) - 1)
    window = _read_window(dataset)
    if window is not None:
        return _apply(values, window)
    bottom, top = _range(stored, dataset)
    return (values - bottom) / max(top - bottom, 1e-9)


def _rescale(stored: _Values, dataset: Dataset) -> _Values:
    if dataset.get("ModalityLUTSequence"):
        return _look_up(stored, dataset.ModalityLUTSequence[0])[0]
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    return stored * (1.0 if slope is None else float(slope)) + (0.0 if intercept is None else float(intercept))


def _look_up(values: _Values, item: Dataset) -> tuple[_Values, int]:
    """Return the values through a look-up table, and its depth in bits."""
    stated, first, bits = map(int, item.LUTDescriptor)
    # 65536 entries do not fit into the 16 bits of their number, which then is 0.
    count = stated or 1 << 16
    data = item.LUTData
    packed = isinstance(data, bytes) and len(data) < 2 * count
    table = np.frombuffer(data, "u1" if packed else "<u2") if isinstance(data, bytes) else np.asarray(data)
    index = np.clip(np.rint(values) - first, 0, count - 1).astype(np.int64)
    return table[index].astype(np.float64), bits


@dataclass(frozen=True)
class _Window:
    """Which values are shown from darkest to brightest, and by what function."""

    function: str
    center: float
    width: float

    @property
    def is_valid(self) -> bool:
        """Whether the standard allows it."""
        least = 1.0 if self.function == "LINEAR" else 1e-9
        known = self.function in ("LINEAR", "LINEAR_EXACT", "SIGMOID")
        return known and math.isfinite(self.center) and least <= self.width < math.inf


def _read_window(dataset: Dataset) -> _Window | None:
    """Return the first window; None where there is none, or none that is valid."""
    center, width = dataset.get("WindowCenter"), dataset.get("WindowWidth")
    if center is None or width is None:
        return None
    function = str(dataset.get("VOILUTFunction") or "LINEAR")
    window = _Window(function, _first_number(center), _first_number(width))
    return window if window.is_valid else None


def _first_number(value: Any) -> float:
    return float(value[0] if isinstance(value, MutableSequence) else value)


def _apply(values: _Values, window: _Window) -> _Values:
    """Return the values through a window, 0 to 1. PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    center, width = window.center, window.width
    if window.function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -60.0, 60.0)))
    if window.function == "LINEAR":
        center, width = center - 0.5, max(width - 1.0, 1e-9)
    return (values - center) / width + 0.5


def _range(stored: npt.NDArray[Any], dataset: Dataset) -> tuple[float, float]:
    """Return the values to be shown darkest and brightest where no window says so.

    Unsigned values of 8 bits are ready to be shown; deeper ones are shown from the least to the greatest.
    """
    if int(dataset.BitsStored) <= 8 and not dataset.PixelRepresentation:
        ends = np.array([0, (1 << int(dataset.BitsStored)) - 1])
    else:
        padding = dataset.get("PixelPaddingValue")
        limit = dataset.get("PixelPaddingRangeLimit", padding)
        if padding is not None:
            film = stored[(stored < min(padding, limit)) | (stored > max(padding, limit))]
            stored = film if film.size else stored
        ends = np.array([stored.min(), stored.max()])
    values = _rescale(ends.astype(np.float64), dataset)
    return float(values.min()), float(values.max())
