"""Worker processes of this machine, a task at a time each.

Not concurrent.futures: when one process of its pool dies, all tasks are lost.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from cxr_edge.engines.base import DEATHS, Lost, Work
from cxr_edge.errors import CxrEdgeError
from cxr_edge.processes.cores import count_cores

__all__ = ["run"]

Task = TypeVar("Task")
Result = TypeVar("Result")
_END_S = 5.0


def run(
    work: Work[Task, Result], tasks: Iterable[Task], *, workers: int | None = None
) -> Generator[tuple[Task, Result | Lost]]:
    """Yield each task with its result as they are done; see `cxr_edge.engines.registry.run`."""
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
    process: Any
    link: Connection
    given: _Given[Task] | None = None


class _Pool(Generic[Task, Result]):
    def __init__(self, work: Work[Task, Result], tasks: Iterator[Task], size: int) -> None:
        self._work = work
        self._tasks = tasks
        self._size = size
        self._again: deque[_Given[Task]] = deque()
        self._workers: list[_Worker[Task]] = []
        # Not fork: a runtime's threads, and this process's, do not survive it.
        self._context = multiprocessing.get_context("spawn")

    def drain(self) -> Iterator[tuple[Task, Result | Lost]]:
        """Yield (task, result) until no task is left. A free worker gets its next task before a result is given out."""
        self._fill()
        while busy := {worker.link: worker for worker in self._workers if worker.given is not None}:
            answers: list[tuple[Task, Result | Lost]] = []
            for link in wait(list(busy)):
                answer = self._receive(busy[link])  # type: ignore[index]
                if answer is not None:
                    answers.append(answer)
            self._fill()
            yield from answers

    def close(self) -> None:
        """End the workers: those that wait end by themselves, others are stopped."""
        for worker in self._workers:
            worker.link.close()
            if worker.given is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_END_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
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
            worker = free or self._start()
            worker.given = given
            # One that died while it had no task is found out when its answer is waited for.
            with contextlib.suppress(OSError):
                worker.link.send(given.task)

    def _next(self) -> _Given[Task] | None:
        for task in self._tasks:
            return _Given(task)
        return None

    def _start(self) -> _Worker[Task]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._work, theirs), daemon=True)
        process.start()
        # Else the end of the process would not be the end of the pipe.
        theirs.close()
        worker: _Worker[Task] = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _receive(self, worker: _Worker[Task]) -> tuple[Task, Result | Lost] | None:
        """Return a worker's answer; None where it died and its task is to be done again. Raises what it raised."""
        given = worker.given
        assert given is not None
        try:
            answer = worker.link.recv()
        except (EOFError, OSError):
            return self._bury(worker, given)
        if isinstance(answer, CxrEdgeError):
            raise answer
        worker.given = None
        return given.task, answer

    def _bury(self, worker: _Worker[Task], given: _Given[Task]) -> tuple[Task, Lost] | None:
        worker.process.join()
        worker.link.close()
        self._workers.remove(worker)
        given.deaths += 1
        if given.deaths < DEATHS:
            self._again.append(given)
            return None
        return given.task, Lost(f"its process died {given.deaths} times, at last with code {worker.process.exitcode}")


def _serve(work: Work[Any, Any], link: Connection) -> None:
    """Be a worker: open the work, then answer task after task until the pipe ends."""
    # Ctrl-C reaches the whole group; the process that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            work.open()
            while True:
                link.send(work.run(link.recv()))
        except CxrEdgeError as error:
            link.send(error)


def _follow_parent() -> None:
    """End this process when the one that started it has ended, however that was."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
