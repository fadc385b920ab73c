"""Random changes to training films, drawn from a generator so that every epoch can be made again from its seed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cxr_edge.contract import Pixels
from cxr_edge.processes.cores import count_cores

__all__ = ["DEFAULT", "MILD", "NONE", "PAPER", "Augmentation", "augment", "augment_batch"]


@dataclass(frozen=True)
class Augmentation:
    """Ranges that are drawn from uniformly, film by film.

    Angles are in degrees, zoom and shift in parts of the side (zoom 0.2 shows the middle 80 %), `tone` is the largest
    change of the logarithm of gamma and of contrast, `blur` the chance of a lowered resolution, `noise` the largest
    standard deviation in grey levels, `erase` the largest part of the side covered at each border. `mixup` is the
    largest share of another film that is laid over it; its label no longer fits then, and a teacher's answer must do.
    """

    rotation_deg: tuple[float, float] = (0.0, 0.0)
    zoom: tuple[float, float] = (0.0, 0.0)
    shift: float = 0.0
    flip: bool = False
    tone: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0


NONE = Augmentation()
PAPER = Augmentation(rotation_deg=(0.0, 40.0), zoom=(0.0, 0.2), flip=True)
"""Kongmanee 2021: rotation 0 to 40 degrees, zoom in, horizontal flip; the paper does not state how far it zooms."""

DEFAULT = Augmentation(
    rotation_deg=(-10.0, 10.0),
    zoom=(-0.05, 0.25),
    shift=0.06,
    flip=True,
    tone=0.25,
    blur=0.25,
    noise=5.0,
    erase=0.06,
)


MILD = Augmentation(rotation_deg=(-7.0, 7.0), zoom=(-0.02, 0.1), shift=0.03, flip=True, tone=0.08)


def augment(pixels: Pixels, options: Augmentation, rng: np.random.Generator, partner: Pixels | None = None) -> Pixels:
    """Return one film of shape (height, width, 3), changed at random within `options`.

    `partner` is the film that may be laid over it (mixup; Zhang et al. 2018).
    """
    # A film is grey but for a few colour scans: one plane is a third of the work.
    grey = bool(np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 0], pixels[..., 2]))
    plane = pixels[..., 0] if grey else pixels
    image = Image.fromarray(plane)
    image = _move(image, options, rng)
    if options.blur and rng.random() < options.blur:
        side = int(image.width / rng.uniform(1.2, 3.0))
        image = image.resize((side, side), Image.Resampling.BILINEAR).resize(image.size, Image.Resampling.BILINEAR)
    changed = np.asarray(image)
    if options.tone or options.noise:
        changed = _change_tone(changed, options, rng)
    if options.erase:
        changed = _erase_borders(changed, options.erase, rng)
    changed = np.repeat(changed[..., None], 3, axis=-1) if grey else changed
    if options.mixup and partner is not None:
        changed = _lay_over(changed, partner, rng.uniform(0, options.mixup))
    return changed


def augment_batch(
    films: Sequence[Pixels],
    options: Augmentation,
    seeds: Sequence[Sequence[int]],
    partners: Sequence[Pixels | None] | None = None,
) -> Pixels:
    """Augment each film with a generator of its own seed, on all cores; shape (n, height, width, 3)."""

    def change(position: int) -> Pixels:
        partner = partners[position] if partners else None
        return augment(films[position], options, np.random.default_rng(list(seeds[position])), partner)

    with ThreadPoolExecutor(count_cores()) as pool:
        return np.stack(list(pool.map(change, range(len(films)))))


def _move(image: Image.Image, options: Augmentation, rng: np.random.Generator) -> Image.Image:
    angle = np.deg2rad(rng.uniform(*options.rotation_deg))
    scale = 1.0 - rng.uniform(*options.zoom)
    shift = rng.uniform(-options.shift, options.shift, size=2) * image.width
    mirror = -1.0 if options.flip and rng.random() < 0.5 else 1.0
    cos, sin = float(np.cos(angle) * scale), float(np.sin(angle) * scale)
    # Pillow counts from the picture's edge, so that the middle of pixel 0 is at 0.5. The output at p reads the input
    # at A p + t; t keeps the centre in place, but for the shift.
    centre = image.width / 2
    a, b, d, e = mirror * cos, -mirror * sin, sin, cos
    x = centre - a * centre - b * centre + float(shift[0])
    y = centre - d * centre - e * centre + float(shift[1])
    return image.transform(image.size, Image.Transform.AFFINE, (a, b, x, d, e, y), Image.Resampling.BILINEAR)


def _change_tone(pixels: Pixels, options: Augmentation, rng: np.random.Generator) -> Pixels:
    gamma, contrast = np.exp(rng.uniform(-options.tone, options.tone, size=2))
    levels = (np.arange(256) / 255) ** gamma
    levels = np.clip((levels - 0.5) * contrast + 0.5 + rng.uniform(-0.2, 0.2) * options.tone, 0, 1) * 255
    changed = levels.astype(np.float32)[pixels]
    if options.noise:
        changed += rng.uniform(0, options.noise) * rng.standard_normal(pixels.shape, dtype=np.float32)
    rounded: Pixels = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    return rounded


def _lay_over(pixels: Pixels, partner: Pixels, share: float) -> Pixels:
    mixed: Pixels = np.rint(pixels * np.float32(1 - share) + partner * np.float32(share)).astype(np.uint8)
    return mixed


def _erase_borders(pixels: Pixels, erase: float, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    depths = rng.uniform(0, erase, size=4) * (rng.random(4) < 0.5) * (height, height, width, width)
    top, bottom, left, right = depths.astype(int)
    fill = np.uint8(rng.integers(0, 256)) if rng.random() < 0.3 else np.uint8(0)
    changed = np.array(pixels)
    changed[:top] = fill
    changed[height - bottom :] = fill
    changed[:, :left] = fill
    changed[:, width - right :] = fill
    return changed
