"""The bony thorax: ribs, clavicles, shoulder blades and spine, as attenuation in excess of soft tissue."""

from __future__ import annotations

import numpy as np

from cxr_edge.phantom.anatomy import Patient
from cxr_edge.phantom.canvas import Canvas, Map, Strands, bend, curve, ramp, root, tube_profile

__all__ = ["draw_ribs", "draw_shoulders", "project_spine"]

_RIB_DROPS_CM = (2.8, 5.2, 7.2, 8.8, 10.0, 10.8, 11.3, 11.4, 11.0, 9.6)
_RIB_ENDS_DEG = (124.0, 136.0, 142.0, 144.0, 144.0, 142.0, 138.0, 130.0, 120.0, 108.0)
_SHOULDER_SIZES = {
    "clavicle": (0.62, 15.0, 0.40),
    "blade": (0.2, 14.0, 0.16),
    "border": (0.34, 14.0, 0.22),
    "spine": (0.5, 10.0, 0.17),
}
"""Radius and length in cm and attenuation of each bone; the blade's three are its edges and its ridge."""

_Line = tuple[tuple[float, ...], tuple[float, ...]]


def draw_ribs(canvas: Canvas, patient: Patient, mineral: float, rng: np.random.Generator) -> list[Strands]:
    """Return ten pairs of ribs: loops from the spine around the cage, down and forward to the cartilage."""
    along = np.linspace(0, 1, canvas.points(31.0), dtype=np.float32)[None, :]
    end = np.radians(np.array(_RIB_ENDS_DEG, np.float32))[:, None]
    drop = np.array(_RIB_DROPS_CM, np.float32)[:, None] * np.float32(rng.normal(1.0, 0.07))
    level = (0.1 + patient.spine_pitch * np.arange(len(drop), dtype=np.float32))[:, None]
    size = np.float32(rng.normal(0.52, 0.04))
    profile = tube_profile(canvas.points(1.3), hollow=0.84, core=0.45)
    ribs = []
    for side in (-1.0, 1.0):
        wobble = rng.normal(0, 1, (len(drop), 2)).astype(np.float32)
        theta = 0.16 + along * (end * (1 + 0.02 * wobble[:, :1]) - 0.16)
        cos = np.cos(theta)
        fall = (1 - cos) / 2 - 0.06 * np.sin(2 * theta)
        y = level + 0.12 * wobble[:, 1:] + drop * fall
        cage = patient.lateral(y) + np.float32(0.3)
        # Behind, ribs leave the spine almost sideways; the root squares the loop's back.
        x = np.float32(side) * cage * np.sin(theta) ** np.float32(0.88)
        front = ramp((theta - 1.45) / 0.7)
        radius = size * (1 + 0.25 * front) * (0.8 + 0.2 * ramp(along / 0.12))
        tau = np.float32(mineral) * (0.24 - 0.12 * front) * ramp((1 - along) / 0.06)
        ribs.append(Strands(x, y, radius, tau, profile, -0.42 * np.float32(patient.thickness - 4) * cos))
    return ribs


def draw_shoulders(canvas: Canvas, patient: Patient, mineral: float, rng: np.random.Generator) -> list[Strands]:
    """Return clavicles and the edges and spines of the shoulder blades."""
    lift = float(rng.normal(0, 0.5))
    out, blade = patient.chest + 0.8, patient.chest * patient.blade
    bones: dict[str, list[_Line]] = {name: [] for name in _SHOULDER_SIZES}
    for side in (-1.0, 1.0):
        for name, line in _trace_shoulder(out, blade, lift + float(rng.normal(0, 0.3))).items():
            bones[name].append((tuple(side * x for x in line[0]), line[1]))
    return [_fill_bones(canvas, lines, mineral, *_SHOULDER_SIZES[name]) for name, lines in bones.items()]


def _trace_shoulder(out: float, blade: float, tip: float) -> dict[str, _Line]:
    """Return each bone's line as Bezier control points; `tip` is how far the shoulder is raised, in cm."""
    return {
        "clavicle": ((1.6, 6.0, 7.0, out), (4.9, 5.0 - tip, 1.6 - tip, 1.6 - 2 * tip)),
        "blade": ((blade - 0.6, blade - 1.2, blade - 0.4, blade + 1.2), (1.4, 5.0, 9.0, 13.4)),
        "border": ((out + 1.4, out - 0.2, blade + 2.2, blade + 1.2), (4.6, 7.0, 10.0, 13.4)),
        "spine": ((blade - 0.4, blade + 1.8, out - 1.0, out + 2.2), (4.4, 2.8, 1.4, 0.2)),
    }


def _fill_bones(
    canvas: Canvas, lines: list[_Line], mineral: float, radius: float, length: float, weight: float
) -> Strands:
    count = canvas.points(length)
    x, y = bend([line[0] for line in lines], count), bend([line[1] for line in lines], count)
    fade = ramp((1 - np.linspace(0, 1, count, dtype=np.float32)) / np.float32(0.06))
    tau = np.float32(mineral * weight) * fade * np.ones_like(x)
    profile = tube_profile(canvas.points(2.3 * radius), hollow=0.78, core=0.4)
    return Strands(x, y, np.full_like(x, radius), tau, profile)


def project_spine(
    canvas: Canvas, patient: Patient, mineral: float, rng: np.random.Generator
) -> tuple[tuple[slice, slice], Map]:
    """Return a band of the canvas and the attenuation that the vertebrae add there."""
    rows, cols = canvas.box((-3.8, 3.8), (-20, 40))
    y = canvas.y
    x = canvas.x[:, cols] - np.float32(patient.sway) * np.sin(y / 9)
    ax = np.abs(x)
    phase = (y / np.float32(patient.spine_pitch) + np.float32(rng.uniform(-0.1, 0.1))) % 1
    centre = np.abs(phase - np.float32(0.5))
    waist = 1 - np.float32(0.1) * np.sin(np.float32(np.pi) * phase)
    width = waist * curve(((-9, 1.4), (0, 1.5), (8, 1.6), (24, 2.1), (35, 2.3)), y)
    ratio = ax / width
    ratio *= ratio
    body = root(1 - ratio * ratio * ratio)
    filled = 0.66 + 0.24 * ramp((0.43 - centre) / 0.05) + 0.2 * np.exp(-(((centre - 0.41) / 0.035) ** 2))
    pedicle = ((ax / width - 0.62) / 0.24) ** 2 + ((phase - 0.32) * np.float32(patient.spine_pitch / 0.5)) ** 2
    ring = np.exp(-(((root(pedicle) - 0.8) / 0.3) ** 2))
    spinous = np.exp(-((x / np.float32(0.22)) ** 2)) * np.exp(-(((phase - 0.75) / 0.16) ** 2))
    process = np.exp(-(((ax - 2.3) / np.float32(0.8)) ** 2)) * np.exp(-(((phase - 0.3) / 0.14) ** 2))
    dense = curve(((-9, 0.8), (2, 0.85), (20, 1.0), (35, 1.1)), y) * np.float32(mineral)
    return (rows, cols), dense * (0.22 * body * filled + 0.09 * ring + 0.12 * spinous + 0.08 * process)
