"""The result of a bench run, as frozen dataclasses that go to JSON and back.

The dataclasses are the schema: a field's name is its key, a tuple is an array. docs/benchmarks.md explains each key.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxr_edge.benchmarks.result.device_result import MEASURED, DeviceReport, LatencyReport, Machine
from cxr_edge.benchmarks.result.drift_result import DriftReport, GalleryFilm
from cxr_edge.errors import DataError
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.system.decode import decode, require

__all__ = [
    "SCHEMA",
    "ArtifactResult",
    "BenchOptions",
    "BenchResult",
    "BudgetReport",
    "DataFacts",
    "Miss",
    "ModelFacts",
]

SCHEMA = 2


@dataclass(frozen=True)
class BenchOptions:
    """What to measure and for how long. `min_runs` and `min_time_s` apply to each artifact, over all its turns.

    `margin` is the largest acceptable loss of AUC. Sensitivities are compared at `specificity`.
    """

    devices: tuple[str, ...] = ("cpu",)
    threads: tuple[int, ...] = (1,)
    split: str = "test"
    min_runs: int = 100
    min_time_s: float = 5.0
    warmup_runs: int = 10
    seed: int = 0
    margin: float = 0.01
    specificity: float = 0.90
    batch: int = 8
    allow_software_gpu: bool = False


@dataclass(frozen=True)
class ArtifactResult:
    """A row of the report. `failures` says what could not be measured, and why."""

    name: str
    format: str
    quantization: str
    sha256: str
    size_bytes: int
    drift: DriftReport | None
    latencies: tuple[LatencyReport, ...]
    failures: tuple[str, ...]
    elsewhere: tuple[DeviceReport, ...] = ()


@dataclass(frozen=True)
class ModelFacts:
    """The bundle that was measured; `threshold` applies to the probability of `positive`."""

    name: str
    architecture: str
    labels: tuple[str, ...]
    positive: str
    threshold: float


@dataclass(frozen=True)
class DataFacts:
    """The images: their ids, whether each is positive, and their sources, in the same order.

    `simulated` says whether this program drew every image, so that the page can be shared.
    """

    name: str
    split: str
    fingerprint: str
    patients: int
    simulated: bool
    films: tuple[str, ...]
    positive: tuple[bool, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Miss:
    """A limit of the budget that an artifact misses; `fact` says by how much."""

    artifact: str
    limit: str
    fact: str


@dataclass(frozen=True)
class BudgetReport:
    """The limits of the budget, the artifacts that they apply to, and what was missed."""

    limits: Mapping[str, float]
    artifacts: tuple[str, ...]
    misses: tuple[Miss, ...]


@dataclass(frozen=True)
class BenchResult:
    """Everything that a bench run found. `reference` names the artifact that the others are compared with.

    `gallery` has the images on which the artifacts differ most. `budget` is None without a budget. The first sentence
    of each warning says the fact and what to do.
    """

    version: str
    started: str
    duration_s: float
    model: ModelFacts
    data: DataFacts
    options: BenchOptions
    machine: Machine
    reference: str
    artifacts: tuple[ArtifactResult, ...]
    gallery: tuple[GalleryFilm, ...]
    budget: BudgetReport | None
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the result as the JSON object that `from_json` reads."""
        return dataclasses.asdict(self) | {"schema": SCHEMA, "research_only": RESEARCH_ONLY}

    @classmethod
    def from_json(cls, value: Any, *, where: str) -> BenchResult:
        """Build a result from a JSON object. Raises DataError that names `where` and the field at fault."""
        schema = value.get("schema") if isinstance(value, dict) else None
        if schema != SCHEMA:
            raise DataError(
                f"{where}: schema {schema!r} is not {SCHEMA}, the one this version reads; "
                "give a bench.json that this version of 'cxr-edge bench' wrote"
            )
        result: BenchResult = decode(cls, value, where)
        latencies = [latency for row in result.artifacts for latency in row.latencies]
        require(all(item.kind == MEASURED for item in latencies), "measured in every one of 'latencies'", where)
        films = len(result.data.films)
        drifts = [row.drift for row in result.artifacts]
        drifts += [found.drift for row in result.artifacts for found in row.elsewhere]
        lists = [result.data.positive, result.data.sources, *(drift.scores for drift in drifts if drift is not None)]
        require(all(len(item) == films for item in lists), f"of {films} films in every list of them", where)
        return result
