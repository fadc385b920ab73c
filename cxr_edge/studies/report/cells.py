"""The cells that the tables of all studies share, and the table of the tests between trainings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cxr_edge.metrics.intervals import Interval
from cxr_edge.report.markdown import table
from cxr_edge.studies.scoring import Figures, Pair

__all__ = [
    "list_sources",
    "range_of_accuracy",
    "range_of_auc",
    "spell_p",
    "spell_range",
    "spell_span",
    "tabulate_pairs",
]


def spell_span(value: Interval, digits: int = 3) -> str:
    """Return an interval as 0.973 (0.951 to 0.995)."""
    return f"{value.value:.{digits}f} ({value.low:.{digits}f} to {value.high:.{digits}f})"


def list_sources(figures: Figures) -> str:
    """Return the AUC within each source."""
    return "; ".join(f"{source} {found.auc}" for source, found in figures.within_source.items()) or "-"


def spell_p(value: float) -> str:
    """Return a p value."""
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def spell_range(values: Sequence[float], digits: int = 3) -> str:
    """Return mean, least and greatest."""
    return f"{np.mean(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def range_of_auc(figures: Sequence[Figures]) -> str:
    """Return mean, least and greatest AUC of the seeds."""
    return spell_range([own.auc.value for own in figures])


def range_of_accuracy(figures: Sequence[Figures]) -> str:
    """Return mean, least and greatest accuracy of the seeds."""
    return spell_range([own.accuracy.value for own in figures])


def tabulate_pairs(pairs: Sequence[Pair]) -> str:
    """Return the table of the tests between trainings."""
    cells = []
    for pair in pairs:
        seed = "" if pair.seed_number is None else f", seed number {pair.seed_number + 1}"
        tested = pair.difference
        cells.append(
            [
                str(pair.first),
                f"{pair.second}{seed}",
                str(tested.auc_change),
                spell_p(tested.p_delong),
                f"{tested.calls_lost} / {tested.calls_gained}",
                spell_p(tested.p_mcnemar),
            ]
        )
    heads = ("from", "to", "change of AUC", "p (DeLong)", "right calls lost / gained", "p (McNemar)")
    return table(heads, cells)
