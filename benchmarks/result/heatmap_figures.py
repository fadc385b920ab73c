"""The figures of an artifact's heat maps, each declared once, and the table in which the page shows them."""

from __future__ import annotations

from cxr_edge.benchmarks.result import phrases
from cxr_edge.benchmarks.result.drift_result import Localisation
from cxr_edge.benchmarks.result.figures import Figure, Table, as_page_table
from cxr_edge.metrics.intervals import Interval

__all__ = ["PAGE"]


def _count_hits(found: Localisation) -> tuple[int, int] | None:
    """Return how many hits were lost and gained; None for the artifact that others are compared with."""
    if found.hits_lost is None or found.hits_gained is None:
        return None
    return found.hits_lost, found.hits_gained


HIT_RATE = Figure[Localisation, Interval](
    "hit rate",
    meaning="Part of the images whose hottest cell overlaps the lesion",
    read=lambda found: found.hit_rate,
    show=phrases.format_interval,
    interval=True,
)
HITS_CHANGED = Figure[Localisation, tuple[int, int]](
    "hits lost / gained",
    meaning="Images that only the reference hits, and images that only this artifact hits",
    read=_count_hits,
    show=lambda counts: f"{counts[0]} / {counts[1]}",
    blank=lambda found: "reference",
)
ENERGY = Figure[Localisation, float](
    "energy",
    meaning="Mean part of the map that lies on the lesion",
    read=lambda found: found.energy,
    show="{:.3f}".format,
)
ENERGY_CHANGE = Figure[Localisation, Interval](
    "change of energy",
    meaning="Change of the energy from the reference's, with the interval of a paired mean",
    read=lambda found: found.energy_change,
    show=lambda value: phrases.format_change(value),
    interval=True,
)

PAGE: Table[Localisation] = as_page_table((HIT_RATE, HITS_CHANGED, ENERGY, ENERGY_CHANGE))
