"""Ways to spread independent tasks: worker processes of this machine, or a Ray cluster. Both give the same results.

    engine.run(work, tasks) -> (task, result) in the order in which they are done

A `Work` is sent to every worker once and opened there; a task is sent to whichever worker is free. Where a worker dies,
its task is given to another one, and so a death costs the time of one task. What a task does must therefore be safe to
do twice. A task whose workers die each time comes back as `Lost`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cxr_edge.errors import UsageError

__all__ = ["DEATHS", "ENGINES", "Lost", "Work", "run"]

ENGINES = ("local", "ray")
DEATHS = 3
"""After how many deaths of its workers a task is lost."""

Task = TypeVar("Task")
Result = TypeVar("Result")
_TaskIn = TypeVar("_TaskIn", contravariant=True)
_ResultOut = TypeVar("_ResultOut", covariant=True)


class Work(Protocol[_TaskIn, _ResultOut]):
    """What is done with each task. It is pickled, and so are tasks, results and the errors that it raises."""

    def open(self) -> None:
        """Load what all tasks need; called once in each worker."""
        ...

    def run(self, task: _TaskIn) -> _ResultOut:
        """Do one task. A CxrEdgeError ends the whole run with that error."""
        ...


@dataclass(frozen=True)
class Lost:
    """In the place of a result: the workers that had the task died."""

    reason: str


def run(
    engine: str, work: Work[Task, Result], tasks: Iterable[Task], *, workers: int | None = None
) -> Generator[tuple[Task, Result | Lost]]:
    """Yield each task with its result, or with Lost, as they are done.

    `workers` is how many run at once: by default one for each core of this machine, or of the cluster. Only so many
    tasks are taken ahead of the results. Closing the generator ends the workers. Raises UsageError for an unknown
    engine, what `work` raises, and for Ray MissingExtraError and RuntimeFailure.
    """
    if engine == "local":
        from cxr_edge.engines import local

        return local.run(work, tasks, workers=workers)
    if engine == "ray":
        from cxr_edge.engines import cluster

        return cluster.run(work, tasks, workers=workers)
    raise UsageError(f"--engine {engine}: is not known; use {' or '.join(ENGINES)}")
