"""What is finished of a bench, kept in the report's folder, so that one that was stopped goes on where it was.

That is the turns of the timing, and what artifacts answered on other devices, which may be slow.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cxr_edge.benchmarks.result.bench_result import BenchOptions
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.errors import DataError
from cxr_edge.system import files

__all__ = ["FOLDER", "Journal", "key_of"]

FOLDER = "bench-turns"


def key_of(options: BenchOptions, artifacts: Sequence[Artifact], fingerprint: str, identities: Sequence[str]) -> str:
    """Return what an answer depends on, as a hash: the options, the artifacts' hashes, the films and the devices."""
    facts = [dataclasses.asdict(options), [(item.name, item.sha256) for item in artifacts], fingerprint, *identities]
    return files.sha256_bytes(json.dumps(facts, sort_keys=True).encode())


class Journal:
    """A folder with a file for each answer of one run; of another run's answers it takes none."""

    def __init__(self, out: Path, key: str, *, resume: bool) -> None:
        self._folder = out / FOLDER
        self._key = key
        if not resume:
            self.clear()

    def get(self, name: str) -> dict[str, Any] | None:
        """Return the answer kept under `name`, None when this run and its earlier parts did not come to it."""
        with contextlib.suppress(DataError):
            kept = files.read_json(self._path(name), limit_bytes=64 * 2**20)
            ours = isinstance(kept, dict) and (kept.get("key"), kept.get("name")) == (self._key, name)
            if ours and isinstance(kept.get("answer"), dict):
                answer: dict[str, Any] = kept["answer"]
                return answer
        return None

    def put(self, name: str, answer: dict[str, Any]) -> None:
        """Keep an answer under `name`, whole or not at all. Raises OutputError."""
        files.write_json(self._path(name), {"key": self._key, "name": name, "answer": answer})

    def keep(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the answer kept under `name`, else the one that `make` gives, and keep that. Raises OutputError."""
        answer = self.get(name)
        if answer is None:
            answer = make()
            self.put(name, answer)
        return answer

    def clear(self) -> None:
        """Remove all answers."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        # A device's name may hold what a file's may not; that two come to one is found by the name inside.
        return self._folder / f"{re.sub('[^A-Za-z0-9.]+', '-', name)}.json"
