"""Worker processes of this machine, a task at a time each.

Not concurrent.futures: when one process of its pool dies, all tasks are lost (ADR 19).
"""

from __future__ import annotations

import pickle
import queue
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from cxr_edge.engines.base import DEATHS, Lost, Work
from cxr_edge.processes.child import Answer, Child
from cxr_edge.processes.commands import python_command
from cxr_edge.processes.cores import count_cores
from cxr_edge.processes.messages import pack

__all__ = ["run"]

Task = TypeVar("Task")
Result = TypeVar("Result")
_END_S = 5.0
_WORKER = "cxr_edge.engines.worker"


def run(
    work: Work[Task, Result], tasks: Iterable[Task], *, workers: int | None = None
) -> Generator[tuple[Task, Result | Lost]]:
    """Yield each task with its result as they are done; see `registry.run`."""
    pool: _Pool[Task, Result] = _Pool(work, iter(tasks), workers or count_cores())
    try:
        yield from pool.drain()
    finally:
        pool.close()


@dataclass
class _Given(Generic[Task]):
    task: Task
    deaths: int = 0


@dataclass(eq=False)
class _Worker(Generic[Task]):
    child: Child
    given: _Given[Task] | None = None


class _Pool(Generic[Task, Result]):
    def __init__(self, work: Work[Task, Result], tasks: Iterator[Task], size: int) -> None:
        self._work = pickle.dumps(work)
        self._tasks = tasks
        self._size = size
        self._again: deque[_Given[Task]] = deque()
        self._answers: queue.Queue[Answer] = queue.Queue()
        self._workers: list[_Worker[Task]] = []

    def drain(self) -> Iterator[tuple[Task, Result | Lost]]:
        """Yield (task, result) until no task is left. A free worker gets its next task before a result is given out."""
        self._fill()
        while any(worker.given is not None for worker in self._workers):
            done = self._take(self._answers.get())
            self._fill()
            if done is not None:
                yield done

    def close(self) -> None:
        """End the workers: those that wait end by themselves, others are stopped."""
        for worker in self._workers:
            if worker.given is None:
                worker.child.end(timeout_s=_END_S)
            else:
                worker.child.close()
        self._workers = []

    def _fill(self) -> None:
        """Give every free worker a task, and start a worker where there are more tasks than workers."""
        while True:
            free = next((worker for worker in self._workers if worker.given is None), None)
            if free is None and len(self._workers) >= self._size:
                return
            given = self._again.popleft() if self._again else self._next()
            if given is None:
                return
            task = pickle.dumps(given.task)
            if free is None:
                free = self._start()
                free.child.send(pack({}, self._work, task))
            else:
                free.child.send(pack({}, task))
            free.given = given

    def _next(self) -> _Given[Task] | None:
        for task in self._tasks:
            return _Given(task)
        return None

    def _start(self) -> _Worker[Task]:
        child = Child(python_command(_WORKER), folder=Path.cwd(), keep_stderr=False, answers=self._answers)
        worker: _Worker[Task] = _Worker(child)
        self._workers.append(worker)
        return worker

    def _take(self, answer: Answer) -> tuple[Task, Result | Lost] | None:
        """Return a worker's result; None where it died and its task is to be done again. Raises what it raised."""
        worker = next(worker for worker in self._workers if worker.child is answer.child)
        given = worker.given
        if given is None:
            raise RuntimeError("an answer of a worker that had no task")
        if answer.message is None:
            return self._bury(worker, given, answer.fault)
        found = pickle.loads(answer.message.blobs[0])
        if answer.message.header.get("raised"):
            raise found
        worker.given = None
        return given.task, found

    def _bury(self, worker: _Worker[Task], given: _Given[Task], fault: str) -> tuple[Task, Lost] | None:
        worker.child.close()
        self._workers.remove(worker)
        given.deaths += 1
        if given.deaths < DEATHS:
            self._again.append(given)
            return None
        return given.task, Lost(f"its process died {given.deaths} times; the last one {fault}")
