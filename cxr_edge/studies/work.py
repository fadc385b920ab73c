"""The trainings of a study, one after another, each kept when it is done so that a stopped study goes on.

A training is a module's function with arguments that JSON can hold, and so is its answer: it can be kept, compared with
what was asked for, and sent to another process.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_edge import __version__, files
from cxr_edge.errors import DataError, UsageError
from cxr_edge.progress import Progress, say

__all__ = ["FOLDER", "Job", "Record", "run_all"]

FOLDER = "trainings"
_MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Job:
    """One training: `work(**arguments)`. The answer depends on `facts` too, such as the films' fingerprint.

    `place` are arguments that say where things lie; the answer does not depend on them.
    """

    name: str
    work: Callable[..., dict[str, Any]]
    arguments: Mapping[str, Any]
    place: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def key(self) -> str:
        """A hash of all that the answer depends on."""
        parts = [__version__, self.name, self.work.__qualname__, self.arguments, self.facts]
        return files.sha256_bytes(json.dumps(parts, sort_keys=True).encode())


class Record:
    """The answers of a study's trainings, a file each in a folder below `out`.

    Raises UsageError where `out` holds answers already and `resume` is not set.
    """

    def __init__(self, out: Path, *, resume: bool) -> None:
        self.folder = out / FOLDER
        if not resume and self.folder.is_dir() and any(self.folder.glob("*.json")):
            raise UsageError(
                f"--out {out}: holds a study already; add --resume to go on with it, or give another folder"
            )
        files.prepare_folder(self.folder)

    def get(self, job: Job) -> dict[str, Any] | None:
        """Return the kept answer, None where there is none of this very job."""
        with contextlib.suppress(DataError):
            path = self._path(job)
            kept = files.read_json(path, _MAX_BYTES) if path.is_file() else None
            if isinstance(kept, dict) and kept.get("key") == job.key and isinstance(kept.get("answer"), dict):
                answer: dict[str, Any] = kept["answer"]
                return answer
        return None

    def put(self, job: Job, answer: dict[str, Any]) -> None:
        """Keep an answer. Raises OutputError."""
        files.write_json(self._path(job), {"key": job.key, "name": job.name, "answer": answer})

    def _path(self, job: Job) -> Path:
        return self.folder / f"{re.sub('[^A-Za-z0-9.]+', '-', job.name)}.json"


def run_all(jobs: Sequence[Job], record: Record, label: str) -> dict[str, dict[str, Any]]:
    """Return each job's answer by its name; what `record` holds is not done again."""
    # It warns of what every training has to do anew.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    answers = {job.name: kept for job in jobs if (kept := record.get(job)) is not None}
    if answers:
        say(f"{label}: {len(answers)} of {len(jobs)} trainings are there from an earlier run")
    with Progress(label, len(jobs)) as progress:
        progress.advance(len(answers))
        for job in jobs:
            if job.name not in answers:
                answers[job.name] = job.work(**job.arguments, **job.place)
                record.put(job, answers[job.name])
                progress.advance(note=job.name)
    return answers
