"""What a conversion gives: model files, and what the repairs of int8 did and missed. Free of TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from cxr_edge.bundles.manifest import Artifact
from cxr_edge.export.repair.record import RepairRecord

__all__ = ["Conversion", "ModelFile"]


class ModelFile(NamedTuple):
    """An artifact as the manifest describes it, and its content."""

    artifact: Artifact
    content: bytes


@dataclass
class Conversion:
    """Every model file by its name, the record of each repair by its format, and what the budget still misses."""

    model_files: dict[str, ModelFile] = field(default_factory=dict)
    repairs: dict[str, RepairRecord] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)
