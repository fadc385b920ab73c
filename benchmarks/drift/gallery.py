"""Choose the images on which the artifacts differ most, and draw them for the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cxr_edge.benchmarks.drift.drift import Truth
from cxr_edge.benchmarks.drift.predictions import Answers
from cxr_edge.benchmarks.result.drift_result import GalleryFilm
from cxr_edge.contract import Pixels
from cxr_edge.data.dataset import Dataset
from cxr_edge.imaging.overlay import overlay
from cxr_edge.metrics.confusion import is_positive

__all__ = ["SIZE", "Pictures", "choose", "draw"]

SIZE = 12
"""The largest number of images."""

_SIDE_PX = 168
_QUALITY = 82
_DIGITS = 3


@dataclass(frozen=True)
class Pictures:
    """The image, and each artifact's heat map over it, as data: URLs of small JPEGs."""

    film: str
    overlays: Mapping[str, str]


def choose(
    answers: Mapping[str, Answers], reference: str, truth: Truth, ids: list[str], *, size: int = SIZE
) -> tuple[GalleryFilm, ...]:
    """Return the images with the largest margins: flips first, then the images that came nearest to a flip.

    An image's margin is a difference of probability: how far the worst artifact lies beyond the threshold, on the side
    opposite to the reference. It is negative if no artifact crosses the threshold.
    """
    side = np.where(is_positive(answers[reference].scores, truth.threshold), 1.0, -1.0)
    others = [side * (truth.threshold - found.scores) for name, found in answers.items() if name != reference]
    if not others:
        return ()
    margins = np.max(others, axis=0)
    chosen = np.argsort(-margins, kind="stable")[:size]
    return tuple(
        GalleryFilm(
            film=ids[row],
            margin=float(margins[row]),
            heatmaps={
                name: tuple(round(float(value), _DIGITS) for value in found.extras["heatmap"][row])
                for name, found in answers.items()
                if "heatmap" in found.extras
            },
        )
        for row in chosen
    )


def draw(films: tuple[GalleryFilm, ...], dataset: Dataset) -> dict[str, Pictures]:
    """Read the images from the data set again and return their pictures by id. Raises DataError."""
    items = {item.item_id: item for item in dataset.items}
    return {entry.film: _draw(entry, items[entry.film].pixels()) for entry in films}


def _draw(entry: GalleryFilm, pixels: Pixels) -> Pictures:
    film = Image.fromarray(pixels).resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BILINEAR)
    overlays = {
        name: _encode(overlay(film, np.array(heatmap, dtype=np.float32))) for name, heatmap in entry.heatmaps.items()
    }
    return Pictures(_encode(film), overlays)


def _encode(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
