"""What stands at the top of every study's result."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxr_edge.benchmarks.measure import machine
from cxr_edge.data.dataset import Dataset
from cxr_edge.studies.subset import HELD_OUT, describe, truth_of
from cxr_edge.system.about import RESEARCH_ONLY, __version__

__all__ = ["SCHEMA", "Facts", "gather"]

SCHEMA = 1

# Where something lies is this machine's affair.
_PLACES = ("data", "weights", "out")


@dataclass(frozen=True)
class Facts:
    """Which study, on what, with which options, where; `positive` says of each film held out whether it is."""

    study: str
    data: str
    data_sha256: str
    options: Mapping[str, Any]
    machine: str
    notes: tuple[str, ...]
    films: Mapping[str, Mapping[str, int]]
    positive: Mapping[str, list[bool]]

    def to_json(self) -> dict[str, Any]:
        """Return what stands at the top of every result."""
        return {
            "schema": SCHEMA,
            "study": self.study,
            "cxr_edge": __version__,
            "research_only": RESEARCH_ONLY,
            "data": self.data,
            "data_sha256": self.data_sha256,
            "options": dict(self.options),
            "machine": self.machine,
            "notes": list(self.notes),
            "films": {split: dict(counts) for split, counts in self.films.items()},
            "positive": dict(self.positive),
        }


def gather(study: str, dataset: Dataset, options: Any) -> Facts:
    """Return the facts of a study on the films of `dataset`; `options` is the study's dataclass of options."""
    described = machine.describe()
    return Facts(
        study=study,
        data=dataset.name,
        data_sha256=dataset.fingerprint(),
        options={name: value for name, value in dataclasses.asdict(options).items() if name not in _PLACES},
        machine=f"{described.cpu_model}, {described.usable_cores} cores",
        notes=tuple(dataset.notes),
        films=describe(dataset),
        positive={split: truth_of(dataset, split).positive.tolist() for split in HELD_OUT},
    )
