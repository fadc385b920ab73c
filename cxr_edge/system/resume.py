"""What is finished of a long run, a file a piece, so that a run that was stopped goes on where it was.

bench keeps turns and answers of devices, and studies keep trainings, in a `JsonStore`; score keeps shards in one of its
own, whose pieces are Parquet files.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from cxr_edge.errors import DataError
from cxr_edge.system import files

__all__ = ["JsonStore", "ResumeStore"]

_MAX_BYTES = 64 * 2**20

Answer = TypeVar("Answer")


class ResumeStore(Generic[Answer]):
    """The finished pieces in `folder`: each has a name, and is written whole or not at all."""

    suffix: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def encode(self, name: str, key: str, answer: Answer) -> bytes:
        """Return the bytes of a piece's file; `key` says what the answer depends on and is part of them."""

    def put(self, name: str, key: str, answer: Answer) -> None:
        """Keep an answer. Raises OutputError."""
        files.write_bytes(self.path(name), self.encode(name, key, answer))

    def paths(self) -> Iterator[Path]:
        """Yield the files of all pieces, by name."""
        if self.folder.is_dir():
            yield from sorted(self.folder.glob(f"*{self.suffix}"))

    def path(self, name: str) -> Path:
        """Return the file of a piece."""
        # A name may hold what a file's may not; that two come to one file is found by the name inside.
        return self.folder / f"{re.sub('[^A-Za-z0-9.-]+', '-', name)}{self.suffix}"

    def clear(self) -> None:
        """Remove the folder with all pieces."""
        shutil.rmtree(self.folder, ignore_errors=True)


class JsonStore(ResumeStore[dict[str, Any]]):
    """Pieces whose answers are JSON objects; one that was kept under another key is not taken."""

    suffix = ".json"

    def encode(self, name: str, key: str, answer: dict[str, Any]) -> bytes:
        """See `ResumeStore`."""
        return files.to_json_bytes({"key": key, "name": name, "answer": answer})

    def get(self, name: str, key: str) -> dict[str, Any] | None:
        """Return the answer kept under `name` and `key`, None when there is none."""
        path = self.path(name)
        with contextlib.suppress(DataError):
            kept = files.read_json(path, limit_bytes=_MAX_BYTES) if path.is_file() else None
            if isinstance(kept, dict) and (kept.get("name"), kept.get("key")) == (name, key):
                answer = kept.get("answer")
                return answer if isinstance(answer, dict) else None
        return None

    def keep(self, name: str, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the answer kept under `name` and `key`, else the one that `make` gives, and keep that."""
        answer = self.get(name, key)
        if answer is None:
            answer = make()
            self.put(name, key, answer)
        return answer
