"""The trainings of a study, one after another, each kept when it is done so that a stopped study goes on.

A training is a module's function with arguments that JSON can hold, and so is its answer: it can be kept, compared with
what was asked for, and sent to another process.
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
"""The engine that is none: one training after another in this process."""


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
        self._store = JsonStore(out / FOLDER)
        if not resume and any(self._store.paths()):
            raise UsageError(
                f"--out {out}: holds a study already; add --resume to go on with it, or give another folder"
            )
        files.prepare_folder(self._store.folder)

    def get(self, job: Job) -> dict[str, Any] | None:
        """Return the kept answer, None where there is none of this very job."""
        return self._store.get(job.name, job.key)

    def put(self, job: Job, answer: dict[str, Any]) -> None:
        """Keep an answer. Raises OutputError."""
        self._store.put(job.name, job.key, answer)


def absolute(text: str) -> str:
    """Return the path `text` so that it means the same elsewhere; a word such as "phantom" that is no path stays."""
    return str(Path(text).resolve()) if Path(text).exists() else text


@dataclass(frozen=True)
class Engine:
    """Where trainings run: one after another in this process, or as tasks of an engine of `cxr_edge.engines`.

    `workers` is how many run at once on the engine.
    """

    name: str = HERE
    workers: int | None = None


def run_all(jobs: Sequence[Job], record: Record, label: str, engine: Engine) -> dict[str, dict[str, Any]]:
    """Return each job's answer by its name; what `record` holds is not done again.

    Raises UsageError for an unknown engine, RuntimeFailure when the workers of a job died, and what a job raises.
    """
    answers = {job.name: kept for job in jobs if (kept := record.get(job)) is not None}
    left = [job for job in jobs if job.name not in answers]
    if answers:
        say(f"{label}: {len(answers)} of {len(jobs)} trainings are there from an earlier run")
    work = _Trainings()
    with Progress(label, len(jobs)) as progress:
        progress.advance(len(answers))
        for job, answer in _spread(work, left, engine):
            if isinstance(answer, base.Lost):
                raise RuntimeFailure(f"{job.name}: {answer.reason}; give it more memory, and go on with --resume")
            answers[job.name] = answer
            record.put(job, answer)
            progress.advance(note=job.name)
    return answers


class _Trainings:
    """What a worker does: each job brings all that it needs."""

    def open(self) -> None:
        """Hush TensorFlow, which warns of what every training has to do anew."""
        logging.getLogger("tensorflow").setLevel(logging.ERROR)

    def run(self, task: Job) -> dict[str, Any]:
        """Return the job's answer."""
        return task.work(**task.arguments, **task.place)


def _spread(work: _Trainings, jobs: Sequence[Job], engine: Engine) -> Iterator[tuple[Job, dict[str, Any] | base.Lost]]:
    if engine.name != HERE:
        yield from registry.run(engine.name, work, jobs, workers=engine.workers)
        return
    work.open()
    for job in jobs:
        yield job, work.run(job)
