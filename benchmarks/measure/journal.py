"""Finished parts of a bench, kept in the report's folder, so that an interrupted bench can continue.

The parts are the turns of the timing, and the predictions on other devices, which can be slow.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cxr_edge.benchmarks.result.bench_result import BenchOptions
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.system import files
from cxr_edge.system.resume import JsonStore

__all__ = ["FOLDER", "Journal", "key_of"]

FOLDER = "bench-turns"


def key_of(options: BenchOptions, artifacts: Sequence[Artifact], fingerprint: str, identities: Sequence[str]) -> str:
    """Return a hash of what an answer depends on: options, hashes of the artifacts, images and devices."""
    facts = [dataclasses.asdict(options), [(item.name, item.sha256) for item in artifacts], fingerprint, *identities]
    return files.sha256_bytes(json.dumps(facts, sort_keys=True).encode())


class Journal:
    """The answers of one run, in a folder below `out`. It does not use the answers of another run."""

    def __init__(self, out: Path, key: str, *, resume: bool) -> None:
        self._store = JsonStore(out / FOLDER)
        self._key = key
        if not resume:
            self.clear()

    def get(self, name: str) -> dict[str, Any] | None:
        """Return the answer kept under `name`, None if there is none yet."""
        return self._store.get(name, self._key)

    def put(self, name: str, answer: dict[str, Any]) -> None:
        """Keep an answer under `name`, atomically. Raises OutputError."""
        self._store.put(name, self._key, answer)

    def keep(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the answer kept under `name`, else call `make` and keep its answer. Raises OutputError."""
        return self._store.keep(name, self._key, make)

    def clear(self) -> None:
        """Remove all answers."""
        self._store.clear()
