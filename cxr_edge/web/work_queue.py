"""A lane: a few threads and a bounded number of jobs, so that a full house is said at once and not by waiting."""

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
    """Runs what is submitted on `workers` threads; up to `waiting` more jobs may wait."""

    def __init__(self, name: str, *, workers: int, waiting: int) -> None:
        # An executor's own queue has no end, so the places in it are counted here.
        self._places = threading.BoundedSemaphore(workers + waiting)
        self._awaited: set[asyncio.Future[Any]] = set()
        self._stopped = False
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix=name)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns. Raises RequestRefusedError (503) when there is no place, and what it raises."""
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
        """Wait for no job any longer; whoever awaits one gets a 503. For the event loop alone."""
        self._stopped = True
        for future in tuple(self._awaited):
            future.cancel()

    def close(self) -> None:
        """Drop what waits; the job at hand is finished."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _submit(self, work: Callable[[], Result]) -> Future[Result]:
        if not self._places.acquire(blocking=False):
            raise refuse_busy()
        future = self._executor.submit(work)
        future.add_done_callback(lambda _: self._places.release())
        return future


def refuse_busy() -> RequestRefusedError:
    """Return the error for a full house."""
    return RequestRefusedError(503, "the queue is full; try again in a few seconds")
