"""Which part of a heat map lies outside the lungs and in the corners of the film.

A map has 7 x 7 cells of 32 pixels, so its share outside the lungs is taken by how much of each cell is lung, and means
something only beside that of an even map, which looks at every place alike: its share is the area.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge.audit import lungs
from cxr_edge.benchmarks.drift.localisation import cover_cells
from cxr_edge.contract import HEATMAP_SHAPE
from cxr_edge.data.dataset import Item
from cxr_edge.metrics.confusion import Floats
from cxr_edge.metrics.intervals import Interval
from cxr_edge.phantom.radiograph import lungs_of

__all__ = ["CORNER_SHARE", "Gaze", "cover_lungs", "look", "measure_average_lungs"]

CORNER_SHARE = 4 / math.prod(HEATMAP_SHAPE)
"""The part of an even map that lies in the four corner cells."""

_Z95 = 1.959964
_CHECKED_FILMS = 100
_FIRST_SEED = 1 << 31


@dataclass(frozen=True)
class Gaze:
    """Mean shares over films, with the normal interval of a mean, and what an even map would have.

    `exact` says whether the lungs are known or those of an average chest; `blank` counts films whose map is 0 all over,
    which are left out.
    """

    films: int
    blank: int
    exact: bool
    outside: Interval
    outside_even: float
    corners: Interval
    corners_even: float = CORNER_SHARE

    def to_json(self) -> dict[str, Any]:
        """Return the object of the JSON report."""
        return {
            "films": self.films,
            "blank_maps": self.blank,
            "lungs": "exact" if self.exact else "average chest",
            "outside_lungs": [self.outside.value, self.outside.low, self.outside.high],
            "outside_lungs_of_an_even_map": self.outside_even,
            "corners": [self.corners.value, self.corners.low, self.corners.high],
            "corners_of_an_even_map": self.corners_even,
        }


def cover_lungs(items: Sequence[Item]) -> tuple[Floats, bool]:
    """Return which part of each cell is lung, (n, 49), and whether that is known exactly for all of the films."""
    found = [lungs.lungs_of(item) for item in items]
    return np.stack([cover_cells(mask) for mask, _ in found]), all(exact for _, exact in found)


def look(heatmaps: Floats, covers: Floats, *, exact: bool) -> Gaze | None:
    """Return where maps (n, 49) lie against the lungs' part of each cell (n, 49); None where all maps are blank."""
    total = heatmaps.sum(axis=1)
    seen = total > 0
    if not seen.any():
        return None
    shares = heatmaps[seen] / total[seen, None]
    corners = shares.reshape(-1, *HEATMAP_SHAPE)[:, [0, 0, -1, -1], [0, -1, 0, -1]].sum(axis=1)
    return Gaze(
        films=int(seen.sum()),
        blank=int((~seen).sum()),
        exact=exact,
        outside=_mean((shares * (1 - covers[seen])).sum(axis=1)),
        outside_even=float((1 - covers[seen]).mean()),
        corners=_mean(corners),
    )


def measure_average_lungs() -> float:
    """Return how well the average chest fits: the mean Dice overlap with the lungs of 100 other simulated films."""
    average = lungs.average_lungs()
    overlaps = []
    for seed in range(_FIRST_SEED, _FIRST_SEED + _CHECKED_FILMS):
        own = lungs_of(seed, size_px=len(average))
        overlaps.append(2 * float((own & average).sum()) / float(own.sum() + average.sum()))
    return float(np.mean(overlaps))


def _mean(values: npt.NDArray[np.floating[Any]]) -> Interval:
    value = float(values.mean())
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    reach = _Z95 * spread / len(values) ** 0.5
    return Interval(value, value - reach, value + reach)
