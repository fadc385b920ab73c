"""One simulated film: the order in which anatomy, disease and technique come together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxr_edge.errors import DataError
from cxr_edge.phantom import anatomy, bones, detector, lesions, vessels
from cxr_edge.phantom.canvas import Canvas, Map, open_canvas, project_strands, root, texture
from cxr_edge.phantom.lesions import KINDS
from cxr_edge.phantom.style import Style, draw_origin, draw_style

__all__ = ["VISIBLE_TAU", "PhantomFilm", "lungs_of", "origin_of", "render", "style_of"]

VISIBLE_TAU = 0.03
"""The added attenuation from which on a lesion counts as visible: about the noise of a good film."""

LUNG_CM = 1.0
"""The depth of lung along a ray from which on it counts as one through the lungs."""

_MIN_SIZE_PX, _MAX_SIZE_PX = 64, 2048


@dataclass(frozen=True, eq=False)
class PhantomFilm:
    """A film and what is known of it. `pixels` (h, w) uint8, bone bright; `mask` (h, w) bool, True on the lesion.

    `severity` is 0 without disease. `style` is how the film was taken.
    """

    pixels: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    seed: int
    kind: str
    label: str
    severity: float
    style: Style


def style_of(seed: int) -> Style:
    """Return the technique of the film `seed`, the same for every kind of disease."""
    return draw_style(_stream(seed, 0))


def origin_of(seed: int) -> tuple[str, str]:
    """Return source and view of the film `seed`, as in its style but without drawing all of that."""
    return draw_origin(_stream(seed, 0))


def render(seed: int, kind: str, *, size_px: int = 256) -> PhantomFilm:
    """Return the film of `seed` with disease of `kind`: the same arguments give the same bytes.

    Patient and technique depend on the seed alone, so two kinds of one seed differ by the disease and nothing else.
    Raises DataError for an unknown kind, a negative seed or a size outside 64 to 2048 pixels.
    """
    if kind not in KINDS:
        raise DataError(f"phantom: no kind '{kind}'; known are {', '.join(KINDS)}")
    if seed < 0:
        raise DataError(f"phantom: seed {seed} is negative; give 0 or more")
    if not _MIN_SIZE_PX <= size_px <= _MAX_SIZE_PX:
        raise DataError(f"phantom: size {size_px} px is outside {_MIN_SIZE_PX} to {_MAX_SIZE_PX}; choose one inside")
    style = style_of(seed)
    # A little finer than the film, since turning it costs sharpness.
    canvas = open_canvas(2 * round(size_px * 0.56))
    healthy, lesion, severity = _project(canvas, style, seed, kind)
    healthy = detector.reframe(healthy, canvas, style, size_px)
    lesion = detector.reframe(lesion, canvas, style, size_px) if severity else np.zeros_like(healthy)
    grey = detector.develop(healthy, lesion, style, _stream(seed, 4))
    return PhantomFilm(detector.frame(grey, style), lesion > VISIBLE_TAU, seed, kind, KINDS[kind], severity, style)


def lungs_of(seed: int, *, size_px: int = 256) -> npt.NDArray[np.bool_]:
    """Return where the film of `seed` shows lung, (size_px, size_px), heart and mediastinum left out.

    Disease does not change it. What the collimator hides counts as it lies behind.
    """
    style = style_of(seed)
    canvas = open_canvas(2 * round(size_px * 0.56))
    patient = anatomy.draw_patient(_stream(seed, 1), supine=style.view == "AP")
    mask: npt.NDArray[np.bool_] = (
        detector.reframe(anatomy.project_air(canvas, patient), canvas, style, size_px) > LUNG_CM
    )
    return mask


def _project(canvas: Canvas, style: Style, seed: int, kind: str) -> tuple[Map, Map, float]:
    """Return the attenuation of the body and that of its disease along each ray, and the disease's severity."""
    rng = _stream(seed, 1)
    patient = anatomy.draw_patient(rng, supine=style.view == "AP")
    mineral = float(rng.uniform(0.75, 1.25))
    air = anatomy.project_air(canvas, patient)
    air *= 1 - lesions.crowd_bases(canvas, patient)
    healthy = np.float32(anatomy.MU) * _weigh(canvas, patient, air, rng)
    band, spine = bones.project_spine(canvas, patient, mineral, rng)
    healthy[band] += spine
    healthy += project_strands(
        canvas,
        [
            *bones.draw_ribs(canvas, patient, mineral, rng),
            *bones.draw_shoulders(canvas, patient, mineral, rng),
            *vessels.draw_vessels(canvas, patient, air, rng),
            *vessels.draw_airways(canvas, rng),
            *detector.draw_leads(canvas, style, _stream(seed, 3)),
        ],
    )
    np.maximum(healthy, 0, out=healthy)
    lesion, severity = lesions.draw_lesion(canvas, patient, air, kind, _stream(seed, 2))
    return healthy, lesion, severity


def _weigh(canvas: Canvas, patient: anatomy.Patient, air: Map, rng: np.random.Generator) -> Map:
    """Return the cm of soft tissue that each ray meets, lung counted by its density and gas not at all."""
    tissue = anatomy.project_body(canvas, patient)
    grain = texture(canvas, rng, {0.5: 0.015, 1.1: 0.02})
    tissue -= np.float32(1 - anatomy.LUNG_DENSITY) * air * (1 - grain)
    tissue -= _project_stomach(canvas, patient, rng)
    return tissue


def _project_stomach(canvas: Canvas, patient: anatomy.Patient, rng: np.random.Generator) -> Map:
    """Return the cm of gas in the stomach, under the dome on the picture's right."""
    x = canvas.x - np.float32(patient.dome_x + rng.uniform(-0.8, 0.8))
    y = canvas.y - np.float32(patient.dome[1] + 2.6)
    wide, high = float(rng.uniform(2.2, 3.6)), float(rng.uniform(1.3, 2.0))
    return np.float32(3.0 * patient.stomach) * root(1 - (x / wide) ** 2 - (y / high) ** 2)


def _stream(seed: int, part: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(part,))))
