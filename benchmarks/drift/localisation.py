"""Whether heat maps lie on the lesions, for images with lesion masks.

The pointing game asks whether the hottest cell is on the object (Zhang et al. 2018). The energy-based game asks how
much of the map is on the object (Wang et al. 2020). A map has 7 x 7 cells, so a mask that overlaps the hottest cell is
a hit.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from cxr_edge.benchmarks.result.drift_result import Localisation
from cxr_edge.contract import HEATMAP_SHAPE
from cxr_edge.metrics import intervals
from cxr_edge.metrics.confusion import Bools, Floats
from cxr_edge.metrics.intervals import Interval

__all__ = ["cover_cells", "localise"]


def cover_cells(mask: npt.NDArray[np.bool_]) -> Floats:
    """Return the part of each cell that a mask (224, 224) covers, (49,) by rows."""
    rows, columns = HEATMAP_SHAPE
    height, width = mask.shape
    cells = mask.reshape(rows, height // rows, columns, width // columns)
    covered: Floats = cells.mean(axis=(1, 3)).ravel()
    return covered


def localise(
    heatmaps: Floats, covers: Sequence[Floats | None], positive: Bools, name: str, reference: Floats | None
) -> Localisation | None:
    """Return how well maps (n, 49) point at the lesions; `covers` are (49,) for each image, or None without a mask.

    `reference` has the maps of the artifact `name`, or is None for that artifact itself. Returns None if no positive
    image has a mask that is not empty.
    """
    chosen = [row for row, cover in enumerate(covers) if positive[row] and cover is not None and cover.any()]
    if not chosen:
        return None
    cover = np.stack([found for row in chosen if (found := covers[row]) is not None])
    hits, energy = _hits(heatmaps[chosen], cover), _energies(heatmaps[chosen], cover)
    lost = gained = change = None
    if reference is not None:
        before = _hits(reference[chosen], cover)
        lost, gained = int(np.sum(before & ~hits)), int(np.sum(hits & ~before))
        change = _paired_mean(energy - _energies(reference[chosen], cover))
    return Localisation(
        films=len(chosen),
        hit_rate=intervals.proportion(int(hits.sum()), len(hits)),
        energy=float(energy.mean()),
        chance_hit_rate=float((cover > 0).mean()),
        chance_energy=float(cover.mean()),
        reference=name,
        hits_lost=lost,
        hits_gained=gained,
        energy_change=change,
    )


def _hits(heatmaps: Floats, cover: Floats) -> Bools:
    found: Bools = cover[np.arange(len(cover)), heatmaps.argmax(axis=1)] > 0
    return found


def _energies(heatmaps: Floats, cover: Floats) -> Floats:
    total = heatmaps.sum(axis=1)
    # A map of zeros points nowhere.
    energies: Floats = (heatmaps * cover).sum(axis=1) / np.where(total > 0, total, 1)
    return energies


def _paired_mean(change: Floats) -> Interval:
    value = float(change.mean())
    spread = float(change.std(ddof=1)) if len(change) > 1 else 0.0
    reach = NormalDist().inv_cdf(0.975) * spread / len(change) ** 0.5
    return Interval(value, value - reach, value + reach)
