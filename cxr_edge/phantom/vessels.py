"""The tubes of the phantom: windpipe, bronchi and the branching vessels of the lungs."""

from __future__ import annotations

import numpy as np

from cxr_edge.phantom.anatomy import LUNG_DENSITY, MU, Patient
from cxr_edge.phantom.canvas import FIELD_CM, TOP_CM, Canvas, Map, Strands, bend, ramp, tube_profile

__all__ = ["draw_airways", "draw_vessels"]

_LEVELS = 5
_TRUNK_ANGLES_DEG = (-80.0, -56.0, -30.0, -4.0, 22.0, 46.0, 66.0, 84.0)
_TRUNK_RADII_CM = (0.36, 0.36, 0.30, 0.28, 0.38, 0.50, 0.54, 0.44)


def draw_vessels(canvas: Canvas, patient: Patient, air: Map, rng: np.random.Generator) -> list[Strands]:
    """Return the lungs' vessels, five generations from each hilum, where there is `air` (cm) around them."""
    full = float(rng.uniform(0.8, 1.2))
    trunks = len(_TRUNK_ANGLES_DEG)
    roots = []
    for side in (-1.0, 1.0):
        hilum_y = patient.dome[0] * 0.5 + (0.4 if side < 0 else -0.6)
        angles = np.radians(_TRUNK_ANGLES_DEG) + rng.normal(0, 0.1, trunks)
        start_x = 2.8 + rng.normal(0, 0.2, trunks)
        start_y = hilum_y + np.linspace(-1.4, 1.7, trunks)
        radius = np.array(_TRUNK_RADII_CM) * full
        roots.append(np.stack([side * start_x, start_y, side * np.cos(angles), np.sin(angles), radius]))
    tree = np.concatenate(roots, axis=1).astype(np.float32)
    strands = []
    for level in range(_LEVELS):
        grown, tree = _grow(canvas, tree, 0.225 * patient.chest * 0.84**level, rng)
        strands.append(_embed(canvas, grown, air, level))
    return strands


def _grow(canvas: Canvas, tree: Map, length: float, rng: np.random.Generator) -> tuple[tuple[Map, Map, Map], Map]:
    """Return one generation of branches as x, y, radius (n, points), and the two roots that each of them ends in.

    `tree` is (5, n): x, y, the direction's two parts, and the radius, in cm.
    """
    x, y, dx, dy, radius = tree[..., None]
    n = tree.shape[1]
    along = np.linspace(0, 1, canvas.points(1.1 * length), dtype=np.float32)[None, :]
    reach = np.float32(length) * rng.uniform(0.75, 1.25, (n, 1)).astype(np.float32) * along
    sag = np.float32(0.16) * rng.standard_normal((n, 1), dtype=np.float32) * reach * along
    px, py = x + reach * dx - sag * dy, y + reach * dy + sag * dx
    turn = rng.uniform(0.12, 0.5, (2, n)).astype(np.float32) * np.array([[1], [-1]], np.float32)
    ends = []
    for cos, sin, thinner in zip(np.cos(turn), np.sin(turn), (0.82, 0.7), strict=True):
        step = (tree[2] * cos - tree[3] * sin, tree[2] * sin + tree[3] * cos)
        ends.append(np.stack([px[:, -1], py[:, -1], *step, tree[4] * np.float32(thinner)]))
    return (px, py, radius * (1 - np.float32(0.2) * along)), np.concatenate(ends, axis=1)


def _embed(canvas: Canvas, grown: tuple[Map, Map, Map], air: Map, level: int) -> Strands:
    x, y, radius = grown
    last = canvas.size_px - 1
    col = np.clip((x + FIELD_CM / 2) * canvas.px_per_cm, 0, last).astype(np.int32)
    row = np.clip((y - TOP_CM) * canvas.px_per_cm, 0, last).astype(np.int32)
    tau = radius * np.float32(4.2 * MU * (1 - LUNG_DENSITY)) * ramp(air[row, col] / 7)
    return Strands(x, y, radius, tau, tube_profile(canvas.points(1.1 * 0.75**level)))


def draw_airways(canvas: Canvas, rng: np.random.Generator) -> list[Strands]:
    """Return windpipe and main bronchi, which take attenuation away."""
    shift = float(rng.normal(-0.15, 0.2))
    carina = 8.0 + float(rng.normal(0, 0.4))
    lines_x = [
        (0, 0, shift, shift),
        (shift, shift - 0.6, shift - 1.6, shift - 3.2),
        (shift, shift + 1.0, shift + 2.4, shift + 4.0),
    ]
    fork = carina - 0.7
    lines_y = [
        (-9, -4, 2, carina),
        (fork, fork + 1.3, fork + 2.3, fork + 3.7),
        (fork, fork + 1.5, fork + 2.3, fork + 3.6),
    ]
    count = canvas.points(18)
    x, y = bend(lines_x, count), bend(lines_y, count)
    radius = np.array([[0.85], [0.6], [0.52]], np.float32) * np.ones_like(x)
    fade = 1 - np.array([[0.0], [0.85], [0.85]], np.float32) * np.linspace(0, 1, count, dtype=np.float32)
    return [Strands(x, y, radius, np.float32(-1.8 * MU) * radius * fade, tube_profile(canvas.points(1.9)))]
