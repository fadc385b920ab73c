"""The result of `study balance`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cxr_edge.studies.report.facts import Facts
from cxr_edge.studies.scoring import Figures, Pair, Scores

__all__ = ["BalanceRow", "BalanceStudy"]


@dataclass(frozen=True)
class BalanceRow:
    """One way to meet unequal classes: figures of each seed, and of the mean probability of all seeds.

    Sensitivities and specificities are of each seed's calls at one half.
    """

    way: str
    figures: tuple[Figures, ...]
    mean_figures: Figures
    mean_scores: Scores
    sensitivity_at_half: tuple[float, ...]
    specificity_at_half: tuple[float, ...]
    epochs: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the row as a JSON object."""
        return {
            "way": self.way,
            "figures": [own.to_json() for own in self.figures],
            "mean_figures": self.mean_figures.to_json(),
            "mean_scores": dict(self.mean_scores),
            "sensitivity_at_half": list(self.sensitivity_at_half),
            "specificity_at_half": list(self.specificity_at_half),
            "epochs": list(self.epochs),
        }


@dataclass(frozen=True)
class BalanceStudy:
    """The result of `study balance`; the pairs are of the first way against each other one."""

    facts: Facts
    weights: str
    rows: tuple[BalanceRow, ...]
    pairs: tuple[Pair, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the whole as JSON."""
        return self.facts.to_json() | {
            "weights": self.weights,
            "rows": [row.to_json() for row in self.rows],
            "pairs": [pair.to_json() for pair in self.pairs],
        }
