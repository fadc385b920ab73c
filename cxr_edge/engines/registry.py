"""The engines by their names."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TypeVar

from cxr_edge.engines.base import Lost, Work
from cxr_edge.errors import UsageError

__all__ = ["ENGINES", "run"]

ENGINES = ("local", "ray")

Task = TypeVar("Task")
Result = TypeVar("Result")


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
