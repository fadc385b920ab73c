"""The soft parts of the phantom: a patient's measures, and the rays through body, lungs, heart and great vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxr_edge.phantom.canvas import Canvas, Knots, Map, curve, ramp, root

__all__ = ["LUNG_DENSITY", "MU", "Patient", "draw_patient", "project_air", "project_body"]

MU = 0.19
"""Attenuation of soft tissue per cm at chest voltages, less what beam hardening takes from thick parts."""
LUNG_DENSITY = 0.24
"""The lung's density relative to soft tissue."""

# From the apex (0) to the costal angle (1): the half width of the cage as a part of the chest's.
_CAGE = (
    (0.0, 0.33),
    (0.012, 0.44),
    (0.035, 0.53),
    (0.08, 0.63),
    (0.16, 0.75),
    (0.28, 0.86),
    (0.42, 0.93),
    (0.6, 0.975),
    (0.8, 1.0),
    (1.05, 0.995),
    (1.4, 0.95),
)


@dataclass(frozen=True)
class Patient:
    """One patient's measures, in cm unless a share. `dome` has the diaphragm's left and right top in the picture."""

    female: bool
    chest: float
    wall: float
    thickness: float
    apex: float
    dome: tuple[float, float]
    dome_x: float
    angle: float
    heart: float
    right_heart: float
    knob: float
    spine_pitch: float
    sway: float
    breast: float
    stomach: float
    crowding: float
    blade: float

    def lateral(self, y: Map) -> Map:
        """Return how far from the middle the inner chest wall lies at height `y`."""
        return np.float32(self.chest) * curve(_CAGE, (y - np.float32(self.apex)) / np.float32(self.angle - self.apex))

    def medial(self, y: Map) -> Map:
        """Return how far from the middle the lung's inner edge lies at height `y`."""
        return curve(((0, 4.6), (0.5, 3.9), (1.5, 3.2), (3.5, 2.5), (7.0, 1.9), (23.0, 1.5)), y - np.float32(self.apex))

    def diaphragm(self, ax: Map, side: int) -> Map:
        """Return the diaphragm's height at the distance `ax` from the middle, on side 0 (left in the picture) or 1."""
        outer = np.clip((ax - self.dome_x) / (self.chest - self.dome_x), 0, 1.2)
        inner = np.clip((self.dome_x - ax) / 5.0, 0, 1.3)
        return np.asarray(self.dome[side] + (self.angle - self.dome[0]) * outer**2.3 + 1.5 * inner**2, np.float32)


def draw_patient(rng: np.random.Generator, *, supine: bool) -> Patient:
    """Return a random adult; lying patients breathe in less and their hearts look larger."""
    female = bool(rng.random() < 0.45)
    build = float(np.clip(rng.normal(0.0, 1.0), -1.8, 2.4))
    breath = float(np.clip(rng.normal(-0.5 if supine else 0.3, 0.8), -2.0, 1.6))
    right_dome = 21.2 + 1.5 * breath + float(rng.normal(0, 0.4))
    heart = float(np.clip(rng.normal(0.475, 0.045), 0.37, 0.60)) * (1.10 if supine else 1.0) * (1 - 0.035 * breath)
    return Patient(
        female=female,
        chest=float(rng.normal(13.0 if female else 13.9, 0.5)) + 0.15 * build,
        wall=float(np.clip(2.4 + 0.8 * build + rng.normal(0, 0.2), 1.2, 5.0)),
        thickness=float(np.clip(21.0 + 1.8 * build + rng.normal(0, 0.5), 17.0, 27.0)),
        apex=float(rng.normal(0.4 if supine else 0.8, 0.3)),
        dome=(right_dome, right_dome + float(rng.uniform(0.3, 1.7))),
        dome_x=float(rng.uniform(5.4, 7.0)),
        angle=right_dome + float(rng.uniform(3.4, 5.2)),
        heart=heart,
        right_heart=float(rng.uniform(0.30, 0.37)),
        knob=float(rng.uniform(0.5, 1.5)),
        spine_pitch=float(rng.normal(2.3, 0.07)),
        sway=float(rng.normal(0, 0.25)),
        breast=float(rng.uniform(1.2, 4.0)) if female else float(rng.uniform(0, 0.6)),
        stomach=float(np.clip(rng.normal(0.7, 0.8), 0.0, 2.2)),
        crowding=float(np.clip(rng.normal(0.1 - 0.15 * breath, 0.18), 0.0, 0.7)),
        blade=float(rng.uniform(0.62, 0.82) if supine else rng.uniform(0.78, 1.0)),
    )


def project_body(canvas: Canvas, patient: Patient) -> Map:
    """Return the body's thickness in cm along each ray, air inside not yet taken away; shape (size, size)."""
    ax, y = canvas.x[:, canvas.size_px // 2 :], canvas.y
    ratio = ax / (curve(_outline_body(patient), y) * np.float32(1 + 0.02 * (patient.wall - 2.3)))
    thick = curve(((-9, 0.52), (-4, 0.55), (-1, 0.6), (3, 0.78), (8, 0.97), (12, 1.0), (18, 1.03), (25, 1.08)), y)
    # Broad shoulders and an upright chest: the section is squarer than an ellipse.
    ratio *= ratio
    body = np.float32(patient.thickness) * thick * root(1 - ratio * ratio)
    arm = 2 * root(3.5**2 - (ax - (17.9 + 0.14 * (y - 5.0) + 0.3 * (patient.wall - 2.3))) ** 2) * ramp((y - 3.0) / 4.0)
    body = np.maximum(body, arm)
    if patient.breast:
        rows, cols = canvas.box((0, 20), (6, 27))
        body[rows, : cols.stop - cols.start] += _project_breast(patient, canvas.x[:, cols], y[rows])
    return np.concatenate([body[:, ::-1], body], axis=1)


def _outline_body(patient: Patient) -> Knots:
    """Return half the body's width at the heights of neck, shoulders, armpits and trunk."""
    torso = patient.chest + patient.wall
    return (
        (-9.0, 5.4),
        (-5.0, 5.6),
        (-3.6, 6.3),
        (-2.4, 8.2),
        (-1.3, 11.4),
        (-0.2, 14.8),
        (1.2, 17.2),
        (3.2, 18.6),
        (5.6, 18.4),
        (7.6, torso + 0.9),
        (10.0, torso - 0.2),
        (16.0, torso),
        (24.0, torso),
        (35.0, torso - 0.6),
    )


def _project_breast(patient: Patient, ax: Map, y: Map) -> Map:
    centre_y = 14.5 + 0.6 * patient.breast
    high = 4.6 + 0.5 * patient.breast
    fall = np.maximum(y - centre_y, 0.5 * (centre_y - y)) / high
    q = 1 - ((ax - 0.58 * patient.chest) / (0.46 * patient.chest)) ** 2 - fall**2
    return np.float32(patient.breast) * root(q) * ramp(2.0 * q)


def project_air(canvas: Canvas, patient: Patient) -> Map:
    """Return the cm of aerated lung along each ray, heart and mediastinum taken away; shape (size, size)."""
    size = canvas.size_px
    air = np.zeros((size, size), np.float32)
    rows, right = canvas.box((0, 16), (-1.5, 30))
    ax, y = canvas.x[:, right], canvas.y[rows]
    depth = _project_cage(patient, ax, y)
    # The cage's halves are mirror images, so it is computed once; the domes differ.
    air[rows, right] = depth * _share_above_diaphragm(patient, ax, y, 1)
    air[rows, size - right.stop : size - right.start] = (depth * _share_above_diaphragm(patient, ax, y, 0))[:, ::-1]
    rows, cols = canvas.box((-12, 12), (-1.5, 30))
    middle = air[rows, cols]
    np.maximum(middle - _project_mediastinum(canvas.x[:, cols], canvas.y[rows], patient), 0.05 * middle, out=middle)
    return air


def _project_cage(patient: Patient, ax: Map, y: Map) -> Map:
    below = y - np.float32(patient.apex)
    share = curve(((0, 0.42), (2.5, 0.6), (7, 0.9), (11, 1.0), (16, 0.97), (23, 0.84)), below)
    deep = np.float32(patient.thickness - 5.0) * share
    ratio = ax / patient.lateral(y)
    inner = ramp((ax - patient.medial(y)) / np.float32(1.6) + np.float32(0.5))
    return np.asarray((deep * ramp(below / 0.5)) * root(1 - ratio * ratio * ratio) * inner, np.float32)


def _share_above_diaphragm(patient: Patient, ax: Map, y: Map, side: int) -> Map:
    """Return the part of the lung's depth that lies above the dome; behind it a wedge reaches lower: the recess."""
    above = patient.diaphragm(ax, side) - y
    return np.asarray(0.9 * ramp(above / np.float32(0.4)) + 0.1 * ramp((above + 5) / np.float32(5)), np.float32)


@dataclass(frozen=True)
class _Heart:
    """The heart's width, how much of it lies right and left of the middle, and the heights where its edges turn."""

    width: float
    right: float
    left: float
    top: float
    base: float
    low: float


def _measure_heart(patient: Patient) -> _Heart:
    width = 2 * patient.heart * patient.chest
    base = patient.dome[0]
    return _Heart(
        width=width,
        right=patient.right_heart * width,
        left=(1 - patient.right_heart) * width,
        # A large heart under a high diaphragm would otherwise reach into the aortic arch.
        top=max(base - 0.62 * width, 7.3),
        base=base,
        low=patient.dome[1] + 0.3,
    )


def _outline_right(heart: _Heart) -> Knots:
    """Return how far the mediastinum reaches to the patient's right: superior vena cava, then right atrium."""
    return (
        (-3, 2.6),
        (3, 2.6),
        (7, 2.5),
        (heart.top, 2.6),
        (heart.top + 0.18 * heart.width, 0.5 * heart.right + 1.3),
        (heart.top + 0.36 * heart.width, heart.right),
        (heart.base - 0.02 * heart.width, 0.9 * heart.right),
        (heart.base + 2.5, 0.55 * heart.right),
    )


def _outline_left(heart: _Heart, knob: float) -> Knots:
    """Return how far the mediastinum reaches to the patient's left: aortic knob, then left ventricle."""
    return (
        (-3, 2.5),
        (2, 2.3),
        (3.5, 2.3),
        (5.9, 2.6 + knob),
        (8.3, 2.7),
        (max(heart.top, 9.1), 3.1),
        (heart.top + 0.2 * heart.width, 0.55 * heart.left),
        (heart.top + 0.42 * heart.width, 0.9 * heart.left),
        (heart.low - 0.06 * heart.width, heart.left),
        (heart.low + 0.04 * heart.width, 0.94 * heart.left),
        (heart.low + 2.6, 0.5 * heart.left),
    )


def _project_mediastinum(x: Map, y: Map, patient: Patient) -> Map:
    """Return the cm of heart, great vessels and fat along each ray, from outlines on either side."""
    heart = _measure_heart(patient)
    sided = np.where(x < 0, curve(_outline_right(heart), y), curve(_outline_left(heart, patient.knob), y))
    ratio = np.abs(x) / sided
    ratio *= ratio
    deep = curve(((-3, 8.5), (5, 10.5), (heart.top + 0.2 * heart.width, 13.5), (30, 13.0)), y)
    middle = deep * root(1 - ratio * np.sqrt(ratio))
    aorta = curve(((6, 2.2), (14, 1.9), (26, 0.6)), y)
    middle += 2.2 * root(1 - ((x - aorta) / np.float32(1.25)) ** 2) * ramp((y - 6) / np.float32(1.5))
    for hilum_x, hilum_y in ((-3.0, 0.5 * heart.base + 0.5), (3.0, 0.5 * heart.base - 0.5)):
        far = ((x - np.float32(hilum_x)) / 2.4) ** 2 + ((y - np.float32(hilum_y)) / 3.2) ** 2
        middle += 4.5 * np.maximum(1 - far, 0)
    return np.asarray(middle, np.float32)
