"""A work queue: a few threads and a bounded number of waiting jobs. A full queue is refused at once with 503."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from cxr_edge.errors import RequestRefusedError

__all__ = ["Lane", "refuse_busy"]

Result = TypeVar("Result")


class Lane:
    """Runs jobs on `workers` threads; up to `waiting` more jobs may wait."""

    def __init__(self, name: str, *, workers: int, waiting: int) -> None:
        # The executor's own queue is unbounded, so this semaphore counts the places.
        self._places = threading.BoundedSemaphore(workers + waiting)
        self._awaited: set[asyncio.Future[Any]] = set()
        self._stopped = False
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix=name)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return the result of `work`. Raises RequestRefusedError (503) when the queue is full, and its own errors."""
        future = asyncio.wrap_future(self._submit(work))
        self._awaited.add(future)
        try:
            return await future
        except asyncio.CancelledError:
            if self._stopped:
                raise RequestRefusedError(503, "the server is stopping") from None
            raise
        finally:
            self._awaited.discard(future)

    def stop(self) -> None:
        """Stop waiting for jobs: every caller that awaits one gets a 503. Call this from the event loop only."""
        self._stopped = True
        for future in tuple(self._awaited):
            future.cancel()

    def close(self) -> None:
        """Drop the waiting jobs; running jobs finish."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _submit(self, work: Callable[[], Result]) -> Future[Result]:
        if not self._places.acquire(blocking=False):
            raise refuse_busy()
        future = self._executor.submit(work)
        future.add_done_callback(lambda _: self._places.release())
        return future


def refuse_busy() -> RequestRefusedError:
    """Return the error for a full queue."""
    return RequestRefusedError(503, "the queue is full; try again in a few seconds")
