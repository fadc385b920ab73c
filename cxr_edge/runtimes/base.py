"""One protocol for every inference runtime.

A Protocol and not a base class: adapters share no code, import their heavy library only when opened, and a test or
a device can pass anything that has these four members.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cxr_edge.contract import Outputs, Pixels

__all__ = ["Runtime", "RuntimeInfo"]


@dataclass(frozen=True)
class RuntimeInfo:
    """What a runtime reports of itself: library, version, threads, delegate or execution provider."""

    library: str
    version: str
    threads: int
    delegate: str
    details: Mapping[str, Any] = field(default_factory=dict)


class Runtime(Protocol):
    """A loaded model. `run` takes pixels (n, 224, 224, 3) uint8 and returns float32 outputs by name, n rows each."""

    info: RuntimeInfo

    def run(self, pixels: Pixels) -> Outputs:
        """Run the model. Raises RuntimeFailure when the input does not fit or the library fails."""
        ...

    def close(self) -> None:
        """Free what the library holds; the runtime cannot run afterwards."""
        ...
