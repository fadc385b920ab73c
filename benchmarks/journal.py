"""The turns that are finished, kept in the report's folder, so that a bench that was stopped goes on where it was."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cxr_edge import files
from cxr_edge.benchmarks.result import BenchOptions
from cxr_edge.bundle import Artifact
from cxr_edge.errors import DataError

__all__ = ["FOLDER", "Journal", "key_of"]

FOLDER = "bench-turns"


def key_of(options: BenchOptions, artifacts: Sequence[Artifact], fingerprint: str, identities: Sequence[str]) -> str:
    """Return what a turn depends on, as a hash: the options, the artifacts' hashes, the films and the devices."""
    facts = [dataclasses.asdict(options), [(item.name, item.sha256) for item in artifacts], fingerprint, *identities]
    return files.sha256_bytes(json.dumps(facts, sort_keys=True).encode())


class Journal:
    """A folder with a file for each finished turn of one run; of another run's turns it takes none."""

    def __init__(self, out: Path, key: str, *, resume: bool) -> None:
        self._folder = out / FOLDER
        self._key = key
        if not resume:
            self.clear()

    def get(self, number: int) -> dict[str, Any] | None:
        """Return the answer of turn `number`, None when it was not finished in this run or an earlier part of it."""
        with contextlib.suppress(DataError):
            kept = files.read_json(self._path(number), limit_bytes=64 * 2**20)
            if isinstance(kept, dict) and kept.get("key") == self._key and isinstance(kept.get("answer"), dict):
                answer: dict[str, Any] = kept["answer"]
                return answer
        return None

    def put(self, number: int, answer: dict[str, Any]) -> None:
        """Keep the answer of turn `number`, whole or not at all. Raises OutputError."""
        files.write_json(self._path(number), {"key": self._key, "answer": answer})

    def clear(self) -> None:
        """Remove all turns."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"turn-{number:04d}.json"
