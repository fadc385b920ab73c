"""How a film was taken and kept, from a random stream of its own: nothing here can tell one class from another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["SOURCES", "Style", "draw_origin", "draw_style"]


@dataclass(frozen=True)
class _Preset:
    share: float
    supine: float
    photons: float
    scatter: float
    flatten: float
    contrast: float
    field_cm: float
    framed: float
    marked: float
    wired: float


SOURCES = {
    "phantom-a": _Preset(0.40, 0.10, 9000.0, 0.35, 0.45, 1.00, 32.5, 0.15, 0.9, 0.08),
    "phantom-b": _Preset(0.35, 0.90, 2600.0, 1.00, 0.25, 0.90, 33.5, 0.35, 0.7, 0.65),
    "phantom-c": _Preset(0.25, 0.30, 4500.0, 0.60, 0.10, 1.15, 33.0, 0.60, 0.8, 0.15),
}
"""The imaginary hospitals: upright digital films, portable films of lying patients, and scanned older films."""


@dataclass(frozen=True)
class Style:
    """One film's technique. Lengths in cm, `crop` in parts of the film's side (left, top, right, bottom).

    `photons` is the mean count in a pixel of the open beam, `scatter` the scattered share relative to the primary beam,
    `flatten` how much of the coarse contrast the reader software takes out.
    """

    source: str
    view: str
    photons: float
    scatter: float
    flatten: float
    contrast: float
    brightness: float
    gamma: float
    blur: float
    field_cm: float
    aspect: float
    rotation_deg: float
    shift_cm: tuple[float, float]
    crop: tuple[float, float, float, float]
    border: int
    marker: str
    marker_x: float
    marker_y: float
    marker_size: float
    leads: int


def draw_origin(rng: np.random.Generator) -> tuple[str, str]:
    """Return a random source and view: the first draws of a style's stream."""
    edges = np.cumsum([preset.share for preset in SOURCES.values()])[:-1]
    source = list(SOURCES)[int(np.searchsorted(edges, rng.random(), side="right"))]
    return source, "AP" if rng.random() < SOURCES[source].supine else "PA"


def draw_style(rng: np.random.Generator) -> Style:
    """Return a random technique; hospital first, then all that depends on it."""
    source, view = draw_origin(rng)
    preset, supine = SOURCES[source], view == "AP"
    framed = bool(rng.random() < preset.framed)
    crop = rng.uniform(0.0, 0.055, 4) * (rng.random(4) < 0.7) * framed
    return Style(
        source=source,
        view=view,
        photons=preset.photons * float(np.exp(rng.normal(0, 0.4))),
        scatter=preset.scatter * float(rng.uniform(0.6, 1.4)),
        flatten=float(np.clip(preset.flatten + rng.normal(0, 0.12), 0, 0.7)),
        contrast=preset.contrast * float(np.exp(rng.normal(0, 0.09))),
        brightness=float(rng.normal(0, 0.05)),
        gamma=float(np.exp(rng.normal(0, 0.13))),
        blur=float(rng.uniform(0.0, 0.22)),
        field_cm=preset.field_cm + float(rng.uniform(-2.0, 2.0)),
        aspect=float(np.exp(rng.normal(0, 0.05))),
        rotation_deg=float(rng.normal(0, 3.0 if supine else 1.4)),
        shift_cm=(float(rng.normal(0, 0.5)), float(rng.normal(0, 0.6))),
        crop=(float(crop[0]), float(crop[1]), float(crop[2]), float(crop[3])),
        border=int(rng.choice([0, 0, 8, 20, 245])),
        marker=str(rng.choice(["L", "R"])) if rng.random() < preset.marked else "",
        marker_x=float(rng.uniform(0.06, 0.14)),
        marker_y=float(rng.uniform(0.05, 0.2)),
        marker_size=float(rng.uniform(0.03, 0.055)),
        leads=int(rng.integers(2, 5)) if rng.random() < preset.wired else 0,
    )
