"""Disease in the phantom's lungs: what part of the air along each ray it fills with fluid or tissue."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cxr_edge.phantom.anatomy import LUNG_DENSITY, MU, Patient
from cxr_edge.phantom.canvas import Canvas, Map, curve, enlarge, open_canvas, ramp, texture

__all__ = ["KINDS", "LOW_SEVERITY", "draw_lesion"]

KINDS = {
    "covid": "covid",
    "none": "noncovid",
    "lobar": "noncovid",
    "effusion": "noncovid",
    "nodules": "noncovid",
}
"""Every kind of film and the class label it belongs to."""

LOW_SEVERITY = 0.20
"""The faintest disease that is drawn, as a part of the most severe. Lower makes the two classes overlap more."""

_PATCHY_SHARE = 0.35


def draw_lesion(canvas: Canvas, patient: Patient, air: Map, kind: str, rng: np.random.Generator) -> tuple[Map, float]:
    """Return the attenuation that disease of `kind` adds along each ray, and its severity from LOW_SEVERITY to 1.

    `air` is the aerated lung in cm. Without disease the map is zero and so is the severity.
    """
    if kind == "none":
        return np.zeros_like(air), 0.0
    # Most patients lie between faint and moderate; a few at either end.
    severity = LOW_SEVERITY + (1 - LOW_SEVERITY) * float(rng.beta(1.2, 1.3))
    draw: Callable[[Canvas, Patient, Map, float, np.random.Generator], Map] = {
        "covid": _draw_ground_glass,
        "lobar": _draw_lobar,
        "effusion": _draw_effusion,
        "nodules": _draw_nodules,
    }[kind]
    filled = draw(canvas, patient, air, severity, rng)
    return np.asarray(np.float32(MU * (1 - LUNG_DENSITY)) * air * np.clip(filled, 0, 0.95), np.float32), severity


def place(patient: Patient, side: int, out: float, down: float) -> tuple[float, float]:
    """Return x and y of the point `out` (0 inner edge, 1 chest wall) and `down` (0 apex, 1 diaphragm) of a lung."""
    y = patient.apex + down * (patient.dome[side] + 1.0 - patient.apex)
    at = np.array([y], np.float32)
    inner, outer = float(patient.medial(at)[0]), float(patient.lateral(at)[0])
    return (-1.0, 1.0)[side] * (inner + out * (outer - inner)), y


def _spread_patches(canvas: Canvas, patches: np.ndarray) -> Map:
    """Return the union of soft ellipses; `patches` is (n, 5): x, y, two radii in cm, weight."""
    coarse = open_canvas(canvas.size_px // 4)
    union = np.zeros((coarse.size_px, coarse.size_px), np.float32)
    for x, y, wide, high, weight in patches.astype(np.float32):
        spot = weight * np.exp(-(((coarse.x - x) / wide) ** 2)) * np.exp(-(((coarse.y - y) / high) ** 2))
        union = np.maximum(union, spot) + np.float32(0.35) * np.minimum(union, spot)
    return enlarge(union, canvas.size_px)


def _mottle(canvas: Canvas, patches: np.ndarray, density: float, rng: np.random.Generator) -> Map:
    """Return patches with ragged soft edges and an uneven inside, at most about `density` dense."""
    ragged = texture(canvas, rng, {0.9: 0.07, 2.2: 0.17})
    fine = texture(canvas, rng, {0.55: 0.12, 1.3: 0.13})
    body = _spread_patches(canvas, patches)
    edged = ramp((body + ragged * np.minimum(1, 2.5 * body) - 0.12) / 0.75)
    return np.asarray(density * edged * (0.9 + fine), np.float32)


def _draw_ground_glass(canvas: Canvas, patient: Patient, air: Map, severity: float, rng: np.random.Generator) -> Map:
    count = int(np.clip(round(2.5 + 5 * severity + rng.normal(0, 0.8)), 2, 8))
    sides = (np.arange(count) + int(rng.integers(2))) % 2
    patches = []
    for side in sides:
        out, down = float(rng.beta(3.2, 1.3)), 0.28 + 0.75 * float(rng.beta(2.4, 1.5))
        x, y = place(patient, int(side), 0.3 + 0.68 * out, down)
        radius = float(rng.uniform(1.7, 2.8)) * (0.8 + 0.75 * severity)
        patches.append((x, y, radius * rng.uniform(0.75, 1.05), radius * rng.uniform(0.9, 1.5), rng.uniform(0.7, 1.0)))
    density = 0.10 + 0.60 * severity
    return _mottle(canvas, np.array(patches), density, rng)


def _draw_lobar(canvas: Canvas, patient: Patient, air: Map, severity: float, rng: np.random.Generator) -> Map:
    side = int(rng.integers(2))
    if rng.random() < _PATCHY_SHARE:
        return _draw_one_sided(canvas, patient, severity, side, rng)
    ax = np.where((canvas.x > 0) == (side == 1), np.abs(canvas.x), np.float32(99))
    lobe = str(rng.choice(["upper", "middle", "lower"]))
    span = patient.dome[side] - patient.apex
    slope = float(rng.normal(0.04, 0.05))
    if lobe == "upper":
        fissure = patient.apex + span * float(rng.uniform(0.42, 0.52)) + slope * (ax - 6) + 0.012 * (ax - 6) ** 2
        part = ramp((fissure - canvas.y) / 0.35) * ramp((canvas.y - fissure + span * 0.42) / 5.0 + 0.25)
    elif lobe == "middle":
        fissure = patient.apex + span * float(rng.uniform(0.5, 0.58)) + slope * (ax - 6)
        lower = fissure + 1.0 + 0.55 * (patient.chest + 1 - ax)
        part = ramp((canvas.y - fissure) / 0.35) * ramp((lower - canvas.y) / 3.5)
    else:
        fissure = patient.apex + span * float(rng.uniform(0.52, 0.62)) + (0.3 + slope) * (ax - 3)
        part = ramp((canvas.y - fissure) / 1.2)
    inside = np.where(ax < 90, part, 0).astype(np.float32)
    airy = texture(canvas, rng, {0.6: 0.07, 1.6: 0.10})
    return np.asarray((0.28 + 0.5 * severity) * inside * (0.92 + airy), np.float32)


def _draw_one_sided(canvas: Canvas, patient: Patient, severity: float, side: int, rng: np.random.Generator) -> Map:
    """Return patches in one lung only: a bronchopneumonia, which differs from covid by its place alone."""
    patches = []
    for _ in range(int(rng.integers(1, 4))):
        x, y = place(patient, side, float(rng.uniform(0.25, 0.85)), float(rng.uniform(0.4, 0.95)))
        radius = float(rng.uniform(1.8, 3.2)) * (0.8 + 0.6 * severity)
        patches.append((x, y, radius, radius * rng.uniform(0.8, 1.3), rng.uniform(0.7, 1.0)))
    return _mottle(canvas, np.array(patches), 0.12 + 0.55 * severity, rng)


def _draw_effusion(canvas: Canvas, patient: Patient, air: Map, severity: float, rng: np.random.Generator) -> Map:
    filled = np.zeros_like(air)
    both = rng.random() < 0.3
    first = int(rng.integers(2))
    for side in (first, 1 - first) if both else (first,):
        ax = np.abs(canvas.x)
        amount = severity * (1.0 if side == first else float(rng.uniform(0.3, 0.9)))
        level = patient.angle - 0.8 - 7.5 * amount
        wall = np.clip((ax - 2.0) / (patient.chest - 2.0), 0, 1)
        # The fluid's upper edge climbs at the wall: the meniscus.
        surface = level + 3.2 * (1 - wall**2.5) - 0.8 * np.clip(1 - wall * 3, 0, 1)
        inside = (canvas.x > 0) == (side == 1)
        filled += inside * (ramp((canvas.y - surface) / 1.5) * 0.9 + 0.12 * ramp((canvas.y - surface + 3) / 4.0))
    return np.asarray(filled, np.float32)


def _draw_nodules(canvas: Canvas, patient: Patient, air: Map, severity: float, rng: np.random.Generator) -> Map:
    filled = np.zeros_like(air)
    for _ in range(int(rng.integers(2, 5 + round(6 * severity)))):
        side = int(rng.integers(2))
        x, y = place(patient, side, float(rng.uniform(0.1, 0.95)), float(rng.uniform(0.12, 0.95)))
        radius = float(rng.uniform(0.55, 1.1)) * (0.8 + 0.9 * severity)
        rows = slice(*np.searchsorted(canvas.y[:, 0], (y - radius, y + radius)))
        cols = slice(*np.searchsorted(canvas.x[0], (x - radius, x + radius)))
        far = ((canvas.x[:, cols] - x) ** 2 + (canvas.y[rows] - y) ** 2) / radius**2
        ball = 2 * radius * np.sqrt(np.clip(1 - far, 0, None)) * (1.0 + 0.5 * severity)
        filled[rows, cols] = np.maximum(filled[rows, cols], ball / np.maximum(air[rows, cols], 2.5))
    return filled


def crowd_bases(canvas: Canvas, patient: Patient) -> Map:
    """Return the part of the lung that shallow breathing leaves unaired at both bases: a look-alike of disease."""
    ax = np.abs(canvas.x)
    base = 0.5 * (patient.dome[0] + patient.dome[1])
    high = np.exp(-(((canvas.y - base) / 4.5) ** 2))
    wide = curve(((0, 1.0), (6, 1.0), (patient.chest, 0.35)), ax)
    return np.asarray(0.34 * patient.crowding * high * wide, np.float32)
