"""The trainings of a study. Each result is stored when its training ends, so that a stopped study can resume.

A training is a function at module level. JSON can hold its arguments and its result, so they can be stored, compared
with a later request, and sent to another process.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_edge.engines import base, registry
from cxr_edge.errors import RuntimeFailure, UsageError
from cxr_edge.system import files
from cxr_edge.system.about import __version__
from cxr_edge.system.progress import Progress, say
from cxr_edge.system.resume import JsonStore

__all__ = ["FOLDER", "HERE", "Engine", "Job", "Record", "absolute", "run_all"]

FOLDER = "trainings"
HERE = "here"
"""The name of the engine that runs sequentially in this process."""


@dataclass(frozen=True)
class Job:
    """One training: `work(**arguments, **place)`.

    The result also depends on `facts`, such as the fingerprint of the images. `place` holds the arguments that name
    folders and files; the result does not depend on them.
    """

    name: str
    work: Callable[..., dict[str, Any]]
    arguments: Mapping[str, Any]
    place: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def key(self) -> str:
        """A hash of everything that the result depends on."""
        parts = [__version__, self.name, self.work.__qualname__, self.arguments, self.facts]
        return files.sha256_bytes(json.dumps(parts, sort_keys=True).encode())


class Record:
    """The stored results of a study's trainings, one file for each in a folder below `out`.

    Raises UsageError when `out` already holds results and `resume` is not set.
    """

    def __init__(self, out: Path, *, resume: bool) -> None:
        self._store = JsonStore(out / FOLDER)
        if not resume and any(self._store.paths()):
            raise UsageError(f"--out {out}: already holds a study; add --resume to continue it, or give another folder")
        files.prepare_folder(self._store.folder)

    def get(self, job: Job) -> dict[str, Any] | None:
        """Return the stored result of exactly this job, or None."""
        return self._store.get(job.name, job.key)

    def put(self, job: Job, answer: dict[str, Any]) -> None:
        """Store a result. Raises OutputError."""
        self._store.put(job.name, job.key, answer)


def absolute(text: str) -> str:
    """Return an existing path as an absolute one; return a word such as "phantom" that is no path unchanged."""
    return str(Path(text).resolve()) if Path(text).exists() else text


@dataclass(frozen=True)
class Engine:
    """Where trainings run: sequentially in this process, or as tasks of an engine of `cxr_edge.engines`.

    `workers` is the number of trainings that run at once on such an engine.
    """

    name: str = HERE
    workers: int | None = None


def run_all(jobs: Sequence[Job], record: Record, label: str, engine: Engine) -> dict[str, dict[str, Any]]:
    """Return the result of each job by its name. Jobs whose result `record` holds are not run again.

    Raises UsageError for an unknown engine, RuntimeFailure when the workers of a job died, and any error of a job.
    """
    answers = {job.name: kept for job in jobs if (kept := record.get(job)) is not None}
    left = [job for job in jobs if job.name not in answers]
    if answers:
        say(f"{label}: {len(answers)} of {len(jobs)} trainings are already done by an earlier run")
    work = _Trainings()
    with Progress(label, len(jobs)) as progress:
        progress.advance(len(answers))
        for job, answer in _spread(work, left, engine):
            if isinstance(answer, base.Lost):
                raise RuntimeFailure(f"{job.name}: {answer.reason}; give it more memory, then continue with --resume")
            answers[job.name] = answer
            record.put(job, answer)
            progress.advance(note=job.name)
    return answers


class _Trainings:
    """Runs jobs in a worker. A job carries everything that it needs."""

    def open(self) -> None:
        """Silence warnings that TensorFlow repeats for every training."""
        logging.getLogger("tensorflow").setLevel(logging.ERROR)

    def run(self, task: Job) -> dict[str, Any]:
        """Return the job's result."""
        return task.work(**task.arguments, **task.place)


def _spread(work: _Trainings, jobs: Sequence[Job], engine: Engine) -> Iterator[tuple[Job, dict[str, Any] | base.Lost]]:
    if engine.name != HERE:
        yield from registry.run(engine.name, work, jobs, workers=engine.workers)
        return
    work.open()
    for job in jobs:
        yield job, work.run(job)
