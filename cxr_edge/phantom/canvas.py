"""The plane that a phantom is projected on: its grid in centimetres, and the few drawing operations all parts share.

The patient's frame: x runs to the right of the picture (the patient's left), y runs down, and (0, 0) is the middle
of the body at the level of the first thoracic vertebra. Every map is in units of attenuation (a natural logarithm)
or in centimetres along the ray.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = [
    "FIELD_CM",
    "TOP_CM",
    "Canvas",
    "Knots",
    "Map",
    "Strands",
    "bend",
    "curve",
    "enlarge",
    "open_canvas",
    "project_strands",
    "ramp",
    "root",
    "texture",
    "tube_profile",
]

Map = npt.NDArray[np.float32]

Knots = tuple[tuple[float, float], ...]
"""Points of a curve: position and value, in the order of the positions."""

FIELD_CM = 40.0
LEFT_CM = -20.0
TOP_CM = -8.5


@dataclass(frozen=True, eq=False)
class Canvas:
    """A square grid of `size_px` pixels over FIELD_CM; `x` is (1, size_px) and `y` (size_px, 1), both in cm."""

    size_px: int
    x: Map
    y: Map

    @property
    def px_per_cm(self) -> float:
        """Pixels per centimetre."""
        return self.size_px / FIELD_CM

    def points(self, length_cm: float) -> int:
        """Return how many points leave no gap on a line of `length_cm`, or across a tube that wide."""
        return max(3, int(length_cm * self.px_per_cm / 1.1))

    def box(self, x: tuple[float, float], y: tuple[float, float]) -> tuple[slice, slice]:
        """Return the rows and columns between the given bounds in cm."""
        rows, cols = np.searchsorted(self.y[:, 0], y), np.searchsorted(self.x[0], x)
        return slice(int(rows[0]), int(rows[1])), slice(int(cols[0]), int(cols[1]))


@functools.lru_cache(maxsize=8)
def open_canvas(size_px: int) -> Canvas:
    """Return the canvas of `size_px` (even) pixels a side; its grids are computed once."""
    along = (np.arange(size_px, dtype=np.float32) + 0.5) * np.float32(FIELD_CM / size_px)
    x, y = (along + LEFT_CM)[None, :], (along + TOP_CM)[:, None]
    x.setflags(write=False)
    y.setflags(write=False)
    return Canvas(size_px, x, y)


def ramp(value: npt.NDArray[np.floating[Any]]) -> Map:
    """Return a smooth step: 0 under 0, 1 over 1."""
    t = np.minimum(np.maximum(value, 0), 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def root(value: npt.NDArray[np.floating[Any]]) -> Map:
    """Return the square root of `value`, 0 where it is negative: the profile of anything round seen from the side."""
    return np.asarray(np.sqrt(np.maximum(value, 0)), np.float32)


def curve(knots: Knots, at: Map) -> Map:
    """Return the smooth curve through `knots` (position, value) at `at`, constant beyond the first and last knot."""
    places, values = _tabulate(knots)
    return np.asarray(np.interp(at, places, values), np.float32)


@functools.lru_cache(maxsize=256)
def _tabulate(knots: Knots) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return a fine table of the cubic through `knots` with the slopes of Fritsch and Butland 1984: no overshoot."""
    px, py = np.array(knots, dtype=np.float64).T
    width = np.diff(px)
    slope = np.diff(py) / width
    ends = np.empty(len(px))
    ends[0], ends[-1] = slope[0], slope[-1]
    both = slope[:-1] * slope[1:]
    ends[1:-1] = np.where(both > 0, 2 * both / np.where(both > 0, slope[:-1] + slope[1:], 1), 0)
    t = np.linspace(0, 1, 16, endpoint=False)[None, :]
    low, high, step = ends[:-1, None], ends[1:, None], slope[:, None]
    value = py[:-1, None] + width[:, None] * t * (low + t * (3 * step - 2 * low - high + t * (low + high - 2 * step)))
    place = px[:-1, None] + width[:, None] * t
    return np.append(place, px[-1]), np.append(value, py[-1])


def bend(points: npt.ArrayLike, count: int) -> Map:
    """Return `count` places along each cubic Bezier curve; `points` is (n, 4), one row of control values a curve."""
    return np.asarray(np.asarray(points, np.float32) @ _bernstein(count), np.float32)


@functools.lru_cache(maxsize=64)
def _bernstein(count: int) -> Map:
    t = np.linspace(0, 1, count)
    return np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Strands:
    """Bent tubes, one a row: centre lines `x`, `y` in cm, `radius` in cm, peak attenuation `tau`, all (n, points).

    `profile` is the thickness at equal steps from one edge to the other. `depth` is the centre line's third
    coordinate: where a tube runs along the ray, more of it lies in one pixel.
    """

    x: Map
    y: Map
    radius: Map
    tau: Map
    profile: Map
    depth: Map | None = None


def tube_profile(points: int, *, hollow: float = 0.0, core: float = 1.0) -> Map:
    """Return the thickness across a tube, at most 1; up to the radius `hollow` its density is `core`."""
    v = (np.arange(points) + 0.5) * (2.0 / points) - 1.0
    inner = hollow * np.sqrt(np.clip(1 - (v / hollow) ** 2, 0, None)) if hollow else 0.0
    thickness = np.sqrt(1 - v**2) - (1 - core) * inner
    return np.asarray(thickness / thickness.max(), np.float32)


def project_strands(canvas: Canvas, groups: Sequence[Strands]) -> Map:
    """Return the attenuation of all the tubes along each ray; shape (size, size)."""
    points = [_scatter(canvas, group) for group in groups]
    col = np.concatenate([own_col for own_col, _, _ in points])
    row = np.concatenate([own_row for _, own_row, _ in points])
    mass = np.concatenate([own_mass for _, _, own_mass in points])
    size = canvas.size_px
    # What lies beyond the canvas gathers on its rim, which no film shows.
    np.clip(col, 0, size - 1.01, out=col)
    np.clip(row, 0, size - 1.01, out=row)
    left, top = col.astype(np.int32), row.astype(np.int32)
    lower, right = mass * (row - top), mass * (col - left)
    corner = lower * (col - left)
    cell = top * size + left
    # Each point is shared among its four nearest pixels.
    total = np.bincount(cell, mass - lower - right + corner, size * size)
    total[1:] += np.bincount(cell, right - corner, size * size)[:-1]
    total[size:] += np.bincount(cell, lower - corner, size * size)[:-size]
    total[size + 1 :] += np.bincount(cell, corner, size * size)[: -size - 1]
    return np.asarray(total.reshape(size, size), np.float32)


def _scatter(canvas: Canvas, strands: Strands) -> tuple[Map, Map, Map]:
    """Return columns, rows and masses of points that fill the tubes."""
    dx, dy = _slope(strands.x), _slope(strands.y)
    flat = np.sqrt(dx * dx + dy * dy) + np.float32(1e-6)
    length = flat
    if strands.depth is not None:
        # A tube seen end-on would pile up without limit; real ones overlap themselves by half at most.
        length = np.minimum(np.sqrt(flat * flat + _slope(strands.depth) ** 2), 1.6 * flat)
    steps = len(strands.profile)
    across = (np.arange(steps, dtype=np.float32) + 0.5) * np.float32(2.0 / steps) - 1
    reach = strands.radius / flat
    scale = canvas.px_per_cm
    col = ((strands.x - LEFT_CM) * scale - 0.5)[..., None] - (scale * reach * dy)[..., None] * across
    row = ((strands.y - TOP_CM) * scale - 0.5)[..., None] + (scale * reach * dx)[..., None] * across
    mass = (strands.tau * length * strands.radius * np.float32(2.0 / steps * scale**2))[..., None] * strands.profile
    return col.ravel(), row.ravel(), mass.ravel()


def _slope(values: Map) -> Map:
    change = np.empty_like(values)
    change[:, 1:-1] = (values[:, 2:] - values[:, :-2]) / 2
    change[:, 0] = values[:, 1] - values[:, 0]
    change[:, -1] = values[:, -1] - values[:, -2]
    return change


def enlarge(coarse: Map, size_px: int) -> Map:
    """Return `coarse` (n, n) spread smoothly over (size_px, size_px)."""
    # Pillow and not a matrix product: threads of a BLAS cost more here than they save.
    image = Image.fromarray(coarse).resize((size_px, size_px), Image.Resampling.BICUBIC)
    return np.array(image, np.float32)


def texture(canvas: Canvas, rng: np.random.Generator, octaves: Mapping[float, float]) -> Map:
    """Return smooth noise; `octaves` has the standard deviation for each feature size in cm, finest first."""
    (finest, strength), *rest = octaves.items()
    grid = _draw_grid(rng, finest, strength)
    for cell_cm, amount in rest:
        grid += enlarge(_draw_grid(rng, cell_cm, amount), len(grid))
    return enlarge(grid, canvas.size_px)


def _draw_grid(rng: np.random.Generator, cell_cm: float, strength: float) -> Map:
    cells = max(2, round(FIELD_CM / cell_cm))
    # 1.4 undoes the variance that smooth enlarging averages away.
    return rng.standard_normal((cells, cells), dtype=np.float32) * np.float32(1.4 * strength)
