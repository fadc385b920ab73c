"""Tasks on a Ray cluster: the one that RAY_ADDRESS names, or one of this machine's cores alone.

Ray places the tasks, and gives one whose worker or node dies to another. The work goes to each node once, by Ray's
object store, and is opened once in each worker process. cxr-edge must be installed on every node, with the same files
in reach.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
import uuid
from collections.abc import Generator, Iterable, Iterator
from typing import Any, TypeVar

from cxr_edge.engines.base import DEATHS, Lost, Work
from cxr_edge.errors import CxrEdgeError, RuntimeFailure
from cxr_edge.system.extras import import_extra

__all__ = ["run"]

Task = TypeVar("Task")
Result = TypeVar("Result")

# So that a worker has its next task at hand when it has done one.
_TASKS_PER_CORE = 2
# A cluster may grow and shrink while it works.
_LOOK_S = 10.0
_MIN_STORE_BYTES = 100 * 2**20

_opened: dict[str, Work[Any, Any]] = {}


def run(
    work: Work[Task, Result], tasks: Iterable[Task], *, workers: int | None = None
) -> Generator[tuple[Task, Result | Lost]]:
    """Yield each task with its result as they are done; see `registry.run`. Meanwhile stdout goes to stderr."""
    ray = _import_ray()
    # Ray tells of workers that died on stdout, amid the results of whoever called.
    with contextlib.redirect_stdout(sys.stderr):
        _connect(ray, workers)
        try:
            yield from _drain(ray, work, iter(tasks), workers)
        finally:
            ray.shutdown()


def serve(key: str, place: list[Any], task: Any) -> Any:
    """Do one task in a Ray worker, which opens the work the first time it meets its `key`."""
    if key not in _opened:
        work: Work[Any, Any] = importlib.import_module("ray").get(place[0])
        try:
            work.open()
        except CxrEdgeError as error:
            return error
        # The work of a run before this one is of no more use.
        _opened.clear()
        _opened[key] = work
    try:
        return _opened[key].run(task)
    except CxrEdgeError as error:
        return error


def _import_ray() -> Any:
    # Ray reports usage over the network unless this is set before it starts.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    return import_extra("ray", "--engine ray", "cluster")


def _connect(ray: Any, workers: int | None) -> None:
    """Join the cluster of RAY_ADDRESS, or start one of this machine. Raises RuntimeFailure."""
    address = os.environ.get("RAY_ADDRESS") or "local"
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        options |= {"include_dashboard": False, "object_store_memory": _MIN_STORE_BYTES, "num_cpus": workers}
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**options)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RuntimeFailure(
            f"Ray at '{address}': cannot be used ({reason}); start a cluster with 'ray start', or unset RAY_ADDRESS"
        ) from error
    finally:
        # Ray sets one of its own, which would end the process without a word.
        if in_main and before is not None:
            signal.signal(signal.SIGTERM, before)


def _drain(
    ray: Any, work: Work[Task, Result], tasks: Iterator[Task], workers: int | None
) -> Iterator[tuple[Task, Result | Lost]]:
    remote = ray.remote(num_cpus=1, max_retries=DEATHS - 1)(serve)
    key, place = uuid.uuid4().hex, [ray.put(work)]
    waiting: dict[Any, Task] = {}
    while True:
        limit = workers or _count_slots(ray) * _TASKS_PER_CORE
        while len(waiting) < limit and (given := next(tasks, None)) is not None:
            waiting[remote.remote(key, place, given)] = given
        if not waiting:
            return
        done, _ = ray.wait(list(waiting), num_returns=1, timeout=_LOOK_S)
        for reference in done:
            task = waiting.pop(reference)
            try:
                answer = ray.get(reference)
            except ray.exceptions.RayError as error:
                yield task, Lost(f"Ray could not do it ({str(error).strip().splitlines()[-1]})")
                continue
            if isinstance(answer, CxrEdgeError):
                raise answer
            yield task, answer


def _count_slots(ray: Any) -> int:
    """Return how many cores the cluster has now. Raises RuntimeFailure when it has none."""
    cores = int(ray.cluster_resources().get("CPU", 0))
    if cores < 1:
        raise RuntimeFailure("the Ray cluster has no cores for tasks; start a node with 'ray start --num-cpus N'")
    return cores
