"""Work done ahead on threads, in order: films are decoded while the model runs on those before them.

Pillow and the inference runtimes let go of Python's lock while they work, so threads
are enough, and cost neither a second copy of the libraries nor of the model.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from cxr_edge.processes.cores import count_cores

__all__ = ["map_ahead"]

# More decoders than this hold more full-size pictures than a Pi's memory has room for.
_MAX_WORKERS = 4
_AHEAD_PER_WORKER = 4

Given = TypeVar("Given")
Made = TypeVar("Made")


def map_ahead(make: Callable[[Given], Made], items: Iterable[Given], *, workers: int | None = None) -> Iterator[Made]:
    """Yield `make(item)` for each item, in their order, made on `workers` threads (default: a core each, 4 at most).

    At most four results a worker are made or waiting at any time. What `make` raises is raised in its turn.
    """
    count = workers or min(count_cores(), _MAX_WORKERS)
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="cxr-edge-ahead")
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) >= count * _AHEAD_PER_WORKER:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
