"""The result of `study unfreeze`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxr_edge.studies.report.facts import Facts
from cxr_edge.studies.scoring import Figures, Pair, Scores

__all__ = ["History", "Trend", "UnfreezeRow", "UnfreezeStudy"]

History = Sequence[Mapping[str, float]]
"""An object of figures for each epoch."""


@dataclass(frozen=True)
class UnfreezeRow:
    """One part of the backbone unfrozen: figures, epochs, histories and scores of each seed."""

    fraction: float
    frozen_layers: int
    backbone_layers: int
    trainable_parameters: int
    figures: tuple[Figures, ...]
    epochs_to_converge: tuple[int, ...]
    best_epoch: tuple[int, ...]
    histories: tuple[History, ...]
    scores: tuple[Scores, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the row as a JSON object."""
        return {
            "fraction": self.fraction,
            "frozen_layers": self.frozen_layers,
            "backbone_layers": self.backbone_layers,
            "trainable_parameters": self.trainable_parameters,
            "figures": [own.to_json() for own in self.figures],
            "epochs_to_converge": list(self.epochs_to_converge),
            "best_epoch": list(self.best_epoch),
            "histories": [list(history) for history in self.histories],
            "scores": [dict(own) for own in self.scores],
        }


@dataclass(frozen=True)
class Trend:
    """How a figure goes with the part unfrozen: Spearman's rank correlation, and its p."""

    spearman: float
    p: float

    def to_json(self) -> dict[str, float]:
        """Return the trend as a JSON object."""
        return {"spearman": self.spearman, "p": self.p}


@dataclass(frozen=True)
class UnfreezeStudy:
    """The result of `study unfreeze`; the pairs are of the least against the most unfrozen, seed by seed."""

    facts: Facts
    weights: str
    converged_within: float
    rows: tuple[UnfreezeRow, ...]
    pairs: tuple[Pair, ...]
    trends: Mapping[str, Trend]

    def to_json(self) -> dict[str, Any]:
        """Return the whole as JSON."""
        return self.facts.to_json() | {
            "weights": self.weights,
            "converged_within": self.converged_within,
            "rows": [row.to_json() for row in self.rows],
            "pairs": [pair.to_json() for pair in self.pairs],
            "trends": {name: trend.to_json() for name, trend in self.trends.items()},
        }
