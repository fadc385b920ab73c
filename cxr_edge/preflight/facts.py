"""What the structural check reads of a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["ArtifactFacts", "TensorFacts"]


@dataclass(frozen=True)
class TensorFacts:
    """An input or output as the file states it; a side that is free is a name, or 0 where it has none."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class ArtifactFacts:
    """What the check read of a model file: how often each operator is used, and the bytes of file and constants."""

    format: str
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    operators: Mapping[str, int]
    size_bytes: int
    weights_bytes: int
    details: Mapping[str, int] = field(default_factory=dict)
