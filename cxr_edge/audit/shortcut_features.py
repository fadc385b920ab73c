"""What a film shows without any detail of the lungs, as numbers that a plain classifier can be trained on.

Everywhere `planes` are films as grey values (n, 224, 224) uint8, squashed like the input contract's pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxr_edge.data.dataset import Dataset, Item
from cxr_edge.imaging import decoder
from cxr_edge.processes.prefetch import map_ahead
from cxr_edge.system.progress import Progress

__all__ = ["ASPECT", "CUES", "Features", "Planes", "measure", "read_planes"]

Planes = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float64]

ASPECT = "aspect ratio"

_RINGS = 32
_BORDER_PX = 8
_LEVELS = 32
_ZONE_PX = 28
_EDGE = 48
_SIDE = decoder.SIZE_PX


def measure(planes: Planes, aspects: npt.NDArray[np.float64]) -> dict[str, Features]:
    """Return the numbers of each cue, (n, some) a cue; `aspects` (n,) are width over height of the original films."""
    return {name: cue(planes) for name, cue in CUES.items()} | {ASPECT: np.log(aspects)[:, None]}


def read_planes(dataset: Dataset) -> tuple[Planes, npt.NDArray[np.float64]]:
    """Return the films' planes (n, 224, 224) and the width over height of each as it was filed, (n,).

    Raises DataError, UnsafeFileError for a film that cannot be read.
    """
    planes = np.empty((len(dataset.items), _SIDE, _SIDE), dtype=np.uint8)
    aspects = np.empty(len(dataset.items))
    with Progress("reading films", len(dataset.items)) as progress:
        for row, (plane, aspect) in enumerate(map_ahead(_read, dataset.items)):
            planes[row], aspects[row] = plane, aspect
            progress.advance()
    return planes, aspects


def _read(item: Item) -> tuple[Planes, float]:
    if item.path is None:
        return item.pixels()[..., 1], 1.0
    film = decoder.read(item.path)
    return film.pixels[..., 1], film.width_px / film.height_px


def _thumbnail(side: int) -> Callable[[Planes], Features]:
    def shrink(planes: Planes) -> Features:
        small = [
            np.asarray(Image.fromarray(plane).resize((side, side), Image.Resampling.BOX), dtype=np.float64).ravel()
            for plane in planes
        ]
        return np.stack(small) / 255

    return shrink


def _spectrum(planes: Planes) -> Features:
    """Return the logarithm of the mean power at each of 32 distances from frequency 0: sharpness and noise."""
    frequency = np.hypot(np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE)[None])
    # Corners of the square lie further out than 0.5 and would have rings of few frequencies.
    ring = np.minimum((frequency / 0.5 * _RINGS).astype(np.int64), _RINGS).ravel()
    counts = np.bincount(ring, minlength=_RINGS + 1)
    taper = np.hanning(_SIDE)[:, None] * np.hanning(_SIDE)[None]
    rows = []
    for plane in planes:
        values = plane.astype(np.float64)
        power = np.abs(np.fft.rfft2((values - values.mean()) * taper)).ravel() ** 2
        rows.append(np.log1p(np.bincount(ring, power, minlength=_RINGS + 1) / counts)[:_RINGS])
    return np.stack(rows)


def _border_and_histogram(planes: Planes) -> Features:
    """Return mean and spread of the outermost 8 pixels on each side, and the share of each of 32 grey levels."""
    sides = (
        planes[:, :_BORDER_PX],
        planes[:, -_BORDER_PX:],
        planes[:, :, :_BORDER_PX],
        planes[:, :, -_BORDER_PX:],
    )
    edges = [value for side in sides for value in (side.mean(axis=(1, 2)) / 255, side.std(axis=(1, 2)) / 255)]
    histogram = [np.bincount(plane.ravel() // (256 // _LEVELS), minlength=_LEVELS) / plane.size for plane in planes]
    return np.column_stack([*edges, np.stack(histogram)])


def _marks(planes: Planes) -> Features:
    """Return how many pixels of each border zone look like print: near white, beside a steep step.

    The zones are the 28 squares of 28 x 28 pixels along the border, where letters, dates and arrows stand.
    """
    values = planes.astype(np.int16)
    step = np.zeros(planes.shape, dtype=bool)
    step[:, :, 1:] |= np.abs(np.diff(values, axis=2)) > _EDGE
    step[:, 1:] |= np.abs(np.diff(values, axis=1)) > _EDGE
    bright = planes >= np.percentile(planes, 98, axis=(1, 2), keepdims=True)
    zones = _SIDE // _ZONE_PX
    parts = (step & bright).reshape(len(planes), zones, _ZONE_PX, zones, _ZONE_PX).mean(axis=(2, 4))
    border = np.ones((zones, zones), dtype=bool)
    border[1:-1, 1:-1] = False
    # The root tames a zone that is full of print.
    shares: Features = np.sqrt(parts[:, border])
    return shares


CUES: Mapping[str, Callable[[Planes], Features]] = {
    "thumbnail 24x24": _thumbnail(24),
    "thumbnail 8x8": _thumbnail(8),
    "radial spectrum": _spectrum,
    "border and histogram": _border_and_histogram,
    "marks at the border": _marks,
}
"""Each cue by its name, from planes to numbers. The aspect ratio, which the squashed film has lost, is beside them."""
