"""What an audit found, as one object and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cxr_edge.audit.heatmap_overlap import Gaze
from cxr_edge.audit.probe import Finding
from cxr_edge.metrics.intervals import Interval
from cxr_edge.system.about import RESEARCH_ONLY, __version__

__all__ = ["SCHEMA", "Audit", "ModelFinding", "SourceRow"]

SCHEMA = 1


@dataclass(frozen=True)
class SourceRow:
    """The held-out films of one source, and the part that the model calls right, None without a model."""

    source: str
    positive_films: int
    negative_films: int
    called_right: Interval | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object of the JSON report."""
        right = self.called_right
        return {
            "source": self.source,
            "positive_films": self.positive_films,
            "negative_films": self.negative_films,
            "called_right": None if right is None else [right.value, right.low, right.high],
        }


@dataclass(frozen=True)
class ModelFinding:
    """What the artifact of a bundle does on the held-out films.

    `against_cue` is, for each source with both classes, the AUC of the model less that of the strongest cue there, on
    the same films. `gazes` are by what the film was called.
    """

    bundle: str
    artifact: str
    finding: Finding
    against_cue: dict[str, tuple[str, Interval]]
    gazes: dict[str, Gaze]

    def to_json(self) -> dict[str, Any]:
        """Return the object of the JSON report."""
        return {
            "bundle": self.bundle,
            "artifact": self.artifact,
            **self.finding.to_json(),
            "against_strongest_cue": {
                source: {"cue": cue, "auc_change": [change.value, change.low, change.high]}
                for source, (cue, change) in self.against_cue.items()
            },
            "heatmaps": {called: gaze.to_json() for called, gaze in self.gazes.items()},
        }


@dataclass(frozen=True)
class Audit:
    """All of an audit; `verdict` are sentences in plain words, `warnings` what to mind about the films."""

    data: str
    fingerprint: str
    positive: str
    trained_films: int
    sources: tuple[SourceRow, ...]
    cues: tuple[Finding, ...]
    model: ModelFinding | None
    average_lungs_dice: float
    verdict: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def held_out_films(self) -> int:
        """How many films the figures are of."""
        return sum(row.positive_films + row.negative_films for row in self.sources)

    def to_json(self) -> dict[str, Any]:
        """Return the whole as JSON."""
        return {
            "schema": SCHEMA,
            "cxr_edge": __version__,
            "research_only": RESEARCH_ONLY,
            "data": self.data,
            "data_sha256": self.fingerprint,
            "positive": self.positive,
            "trained_films": self.trained_films,
            "sources": [row.to_json() for row in self.sources],
            "cues": [cue.to_json() for cue in self.cues],
            "model": None if self.model is None else self.model.to_json(),
            "average_lungs_dice": self.average_lungs_dice,
            "verdict": list(self.verdict),
            "warnings": list(self.warnings),
        }
