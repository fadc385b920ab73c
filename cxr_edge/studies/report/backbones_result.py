"""The result of `study backbones`: sizes, figures, and what was exported and measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxr_edge.metrics.intervals import Interval
from cxr_edge.studies.report.facts import Facts
from cxr_edge.studies.scoring import Figures, Pair, Scores, interval_to_json

__all__ = ["BackboneRow", "BackboneStudy", "Exported", "ExportedArtifact", "Latency", "TrainedBackbone"]


@dataclass(frozen=True)
class Latency:
    """How long one film takes here, and the memory of the process."""

    p50_ms: Interval
    p90_ms: float
    peak_mib: float
    runtime: str
    threads: int

    def to_json(self) -> dict[str, Any]:
        """Return the fields of an artifact's JSON object that are of its latency."""
        return {
            "p50_ms": interval_to_json(self.p50_ms),
            "p90_ms": self.p90_ms,
            "peak_mib": self.peak_mib,
            "runtime": self.runtime,
            "threads": self.threads,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Latency:
        """Read what `to_json` gave."""
        return cls(Interval(*value["p50_ms"]), value["p90_ms"], value["peak_mib"], value["runtime"], value["threads"])


@dataclass(frozen=True)
class ExportedArtifact:
    """An artifact that was measured; what could not be measured is None, and `failures` say why."""

    size_mb: float
    failures: tuple[str, ...]
    auc: Interval | None = None
    flips: int | None = None
    latency: Latency | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object of what was measured."""
        found: dict[str, Any] = {"mb": self.size_mb, "failures": list(self.failures)}
        if self.auc is not None:
            found["auc"] = interval_to_json(self.auc)
        if self.flips is not None:
            found["flips"] = self.flips
        return found | (self.latency.to_json() if self.latency else {})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ExportedArtifact:
        """Read what `to_json` gave."""
        return cls(
            value["mb"],
            tuple(value["failures"]),
            Interval(*value["auc"]) if "auc" in value else None,
            value.get("flips"),
            Latency.from_json(value) if "p50_ms" in value else None,
        )


@dataclass(frozen=True)
class Exported:
    """What became of a classifier that was exported, and how its artifacts do on `machine`."""

    keras_mb: float
    machine: str
    warnings: tuple[str, ...]
    artifacts: Mapping[str, ExportedArtifact]

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "keras_mb": self.keras_mb,
            "machine": self.machine,
            "warnings": list(self.warnings),
            "artifacts": {name: found.to_json() for name, found in self.artifacts.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Exported:
        """Read what `to_json` gave."""
        artifacts = {name: ExportedArtifact.from_json(found) for name, found in value["artifacts"].items()}
        return cls(value["keras_mb"], value["machine"], tuple(value["warnings"]), artifacts)


@dataclass(frozen=True)
class TrainedBackbone:
    """The heads that were trained on a backbone: figures of each seed, the scores and the export of the first."""

    figures: tuple[Figures, ...]
    scores: Scores
    exported: Exported | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields of a row's JSON object that are of its training."""
        accuracy = [own.summary.counts.accuracy for own in self.figures]
        return {
            "figures": self.figures[0].to_json(),
            "seeds": {"auc": [own.auc.value for own in self.figures], "accuracy": accuracy},
            "scores": dict(self.scores),
            "exported": None if self.exported is None else self.exported.to_json(),
        }


@dataclass(frozen=True)
class BackboneRow:
    """A backbone and the size of its classifier; `weights` says where they come from, or why there are none."""

    backbone: str
    weights: str
    parameters: int
    backbone_parameters: int
    backbone_layers: int
    float32_mb: float
    trained: TrainedBackbone | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row as a JSON object."""
        return {
            "backbone": self.backbone,
            "weights": self.weights,
            "compared": self.trained is not None,
            "parameters": self.parameters,
            "backbone_parameters": self.backbone_parameters,
            "backbone_layers": self.backbone_layers,
            "float32_mb": self.float32_mb,
        } | (self.trained.to_json() if self.trained else {})


@dataclass(frozen=True)
class BackboneStudy:
    """The result of `study backbones`."""

    facts: Facts
    rows: tuple[BackboneRow, ...]
    pairs: tuple[Pair, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the whole as JSON."""
        return self.facts.to_json() | {
            "rows": [row.to_json() for row in self.rows],
            "pairs": [pair.to_json() for pair in self.pairs],
        }
