"""From attenuation to a grey picture: the beam, scatter, quantum noise, the reader's processing, frame and marker."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from cxr_edge.phantom.canvas import FIELD_CM, TOP_CM, Canvas, Map, Strands, bend, enlarge, tube_profile
from cxr_edge.phantom.style import Style

__all__ = ["develop", "draw_leads", "frame", "reframe"]

_COARSE_PX = 32
_SCATTER_SIGMA = 3.2
_LETTERS = {
    "L": (((0.1, 0.0), (0.1, 1.0), (0.75, 1.0)),),
    "R": (((0.1, 1.0), (0.1, 0.0), (0.55, 0.0), (0.8, 0.25), (0.55, 0.5), (0.1, 0.5)), ((0.4, 0.5), (0.85, 1.0))),
}


def reframe(field: Map, canvas: Canvas, style: Style, size_px: int) -> Map:
    """Return `field` as the film sees it: turned, shifted and cut to the film; shape (size_px, size_px)."""
    turn = math.radians(style.rotation_deg)
    zoom = style.field_cm / FIELD_CM * canvas.size_px / size_px
    wide, high = zoom * math.sqrt(style.aspect), zoom / math.sqrt(style.aspect)
    cos, sin = math.cos(turn), math.sin(turn)
    centre_x = canvas.size_px / 2 + style.shift_cm[0] * canvas.px_per_cm
    # The film's middle lies over the middle of the lungs, 11.5 cm below the first thoracic vertebra.
    centre_y = (11.5 - TOP_CM + style.shift_cm[1]) * canvas.px_per_cm
    half = size_px / 2
    row_x = (wide * cos, -high * sin, centre_x - half * (wide * cos - high * sin))
    row_y = (wide * sin, high * cos, centre_y - half * (wide * sin + high * cos))
    image = Image.fromarray(field).transform(
        (size_px, size_px), Image.Transform.AFFINE, row_x + row_y, Image.Resampling.BILINEAR
    )
    return np.array(image, np.float32)


def draw_leads(canvas: Canvas, style: Style, rng: np.random.Generator) -> list[Strands]:
    """Return the monitor's leads and their electrodes, lying on the patient; none where the style has none."""
    if not style.leads:
        return []
    start = rng.uniform((-12, 2), (12, 20), (style.leads, 2))
    end = rng.uniform((19, 0), (23, 32), (style.leads, 2))
    end[:, 0] *= np.where(rng.random(style.leads) < 0.5, -1, 1)
    middle = rng.normal(0, 5.0, (2, style.leads, 2))
    control = np.stack([start, start * 0.7 + end * 0.3 + middle[0], start * 0.3 + end * 0.7 + middle[1], end], axis=-1)
    count = canvas.points(42.0)
    x, y = bend(control[:, 0], count), bend(control[:, 1], count)
    knob = np.exp(-((np.linspace(0, 1, count, dtype=np.float32) / 0.02) ** 4)) * np.ones_like(x)
    return [Strands(x, y, 0.13 + 0.4 * knob, 0.55 + 0.25 * knob, tube_profile(canvas.points(0.9)))]


def develop(healthy: Map, lesion: Map, style: Style, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return grey values, uint8, for the attenuation `healthy` + `lesion`, both (size, size)."""
    exposed = np.exp(-(healthy + lesion))
    level, scale = _expose(healthy, style)
    signal = exposed + np.float32(style.scatter) * _blur(exposed, _SCATTER_SIGMA) + np.float32(2e-4)
    noise = rng.standard_normal(signal.shape, dtype=np.float32)
    signal *= 1 + noise / np.sqrt(style.photons * signal)
    log = -np.log(np.maximum(signal, np.float32(1e-5)))
    log = _soften(log, style.blur)
    log -= np.float32(style.flatten) * (_blur(log, 2.0) - np.float32(level))
    grey = (log - level) * np.float32(style.contrast / scale) + np.float32(0.36 + style.brightness)
    return _respond(grey, style.gamma)


def _expose(healthy: Map, style: Style) -> tuple[float, float]:
    """Return the log signal that becomes mid-grey, and the span that fills the scale.

    They come from the body without disease, so that a film's exposure says nothing about its class.
    """
    small = np.exp(-healthy[::4, ::4])
    log = -np.log(small + np.float32(style.scatter) * _blur(small, _SCATTER_SIGMA) + np.float32(2e-4))
    body = log[log > 0.6]
    low, high = np.quantile(body, [0.08, 0.9]) if body.size > 16 else (0.5, 3.0)
    span = (high - low) * (1 - 0.55 * style.flatten)
    return float(low + 0.3 * (high - low)), float(span * 1.3)


def _blur(field: Map, sigma: float) -> Map:
    """Return `field` blurred by a Gaussian of `sigma` thirty-seconds of its side."""
    kernel = _gaussian(_COARSE_PX, sigma)
    coarse = Image.fromarray(field).resize((_COARSE_PX, _COARSE_PX), Image.Resampling.BOX)
    return enlarge(kernel @ np.asarray(coarse, np.float32) @ kernel.T, len(field))


@functools.lru_cache(maxsize=8)
def _gaussian(count: int, sigma: float) -> Map:
    at = np.arange(count)
    weight = np.exp(-0.5 * ((at[:, None] - at) / sigma) ** 2)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), np.float32)


def _soften(field: Map, share: float) -> Map:
    """Return `field` mixed with its neighbours: the detector's own blur, `share` of each pixel to either side."""
    keep = np.float32(1 - 2 * share)
    soft = keep * field
    soft[1:-1] += np.float32(share) * (field[:-2] + field[2:])
    soft[[0, -1]] = field[[0, -1]]
    across = keep * soft
    across[:, 1:-1] += np.float32(share) * (soft[:, :-2] + soft[:, 2:])
    across[:, [0, -1]] = soft[:, [0, -1]]
    return across


def _respond(grey: Map, gamma: float) -> npt.NDArray[np.uint8]:
    """Return `grey` through a film's response: straight in the middle, easing off at both ends."""
    t = np.linspace(0, 1, 1024)
    table = (0.45 * t + 0.55 * t * t * (3 - 2 * t)) ** gamma
    place = np.clip((grey + 0.12) * np.float32(1023 / 1.24) + 0.5, 0, 1023)
    levels = np.asarray(table * 255 + 0.5, np.uint8)
    return np.asarray(levels[place.astype(np.int16)], np.uint8)


def frame(pixels: npt.NDArray[np.uint8], style: Style) -> npt.NDArray[np.uint8]:
    """Return the finished film, uint8: side marker on it and the collimator's edge around it."""
    size = len(pixels)
    left, top, right, bottom = np.rint(np.array(style.crop) * size).astype(int)
    framed = np.full_like(pixels, style.border)
    inner = np.s_[top : size - bottom, left : size - right]
    framed[inner] = pixels[inner]
    if style.marker:
        framed = np.maximum(framed, _draw_marker(size, style))
    return framed


def _draw_marker(size_px: int, style: Style) -> npt.NDArray[np.uint8]:
    sheet = Image.new("L", (size_px, size_px), 0)
    draw = ImageDraw.Draw(sheet)
    high = style.marker_size * size_px
    # The patient's left is on the right of the picture.
    x0 = (1 - style.marker_x) * size_px - high * 0.7 if style.marker == "L" else style.marker_x * size_px
    y0 = style.marker_y * size_px
    for stroke in _LETTERS[style.marker]:
        places = [(x0 + u * high * 0.75, y0 + v * high) for u, v in stroke]
        draw.line(places, fill=250, width=max(1, round(high * 0.16)))
    return np.asarray(sheet)
