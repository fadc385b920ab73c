"""Request bodies, counted as they come: none is believed to be as long as it says, and none touches the disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from starlette.requests import ClientDisconnect, Request

from cxr_edge.errors import RequestRefusedError
from cxr_edge.web.options import Limits
from cxr_edge.web.work_queue import refuse_busy

__all__ = ["Admission"]


class Admission:
    """Counts the requests that are being served and the bytes that they hold. For the event loop alone."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.requests = 0
        self.held_bytes = 0

    @contextlib.asynccontextmanager
    async def admit(self, request: Request) -> AsyncIterator[None]:
        """Count a request for the length of the block. Raises RequestRefusedError (503) when there are too many."""
        if self.requests >= self._limits.requests:
            raise refuse_busy()
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    @contextlib.asynccontextmanager
    async def read(self, request: Request, limit_bytes: int) -> AsyncIterator[bytes]:
        """Yield the body of a request. Raises RequestRefusedError: 413 over the limit, 503, 408, 400."""
        with self._hold() as hold:
            pieces: list[bytes] = []
            try:
                stated = request.headers.get("content-length", "")
                if stated.isdecimal() and int(stated) > limit_bytes:
                    raise _refuse_size(limit_bytes)
                stream = request.stream()
                while piece := await self._next(stream):
                    if hold.size_bytes + len(piece) > limit_bytes:
                        raise _refuse_size(limit_bytes)
                    hold(len(piece))
                    pieces.append(piece)
            except RequestRefusedError:
                # The error's frames would hold them until what is left of the body is taken.
                pieces.clear()
                raise
            content = b"".join(pieces)
            # Else every body would be held twice while its film is classified.
            pieces.clear()
            yield content

    async def _next(self, stream: AsyncIterator[bytes]) -> bytes:
        """Return the next bytes of a body, empty at its end."""
        try:
            while True:
                piece = await asyncio.wait_for(anext(stream), self._limits.body_timeout_s)
                if piece:
                    return piece
        except StopAsyncIteration:
            return b""
        except asyncio.TimeoutError as error:
            raise RequestRefusedError(408, "the body stopped coming; send it again") from error
        except ClientDisconnect as error:
            raise RequestRefusedError(400, "the client went away before the body was whole") from error

    @contextlib.contextmanager
    def _hold(self) -> Iterator[_Hold]:
        hold = _Hold(self)
        try:
            yield hold
        finally:
            self.held_bytes -= hold.size_bytes

    def take(self, size_bytes: int) -> None:
        """Count bytes that are held. Raises RequestRefusedError (503) when there are too many."""
        if self.held_bytes + size_bytes > self._limits.held_bytes:
            raise refuse_busy()
        self.held_bytes += size_bytes


class _Hold:
    """The bytes that one request holds."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.size_bytes = 0

    def __call__(self, size_bytes: int) -> None:
        self._admission.take(size_bytes)
        self.size_bytes += size_bytes


def _refuse_size(limit_bytes: int) -> RequestRefusedError:
    return RequestRefusedError(
        413, f"larger than the limit of {limit_bytes / 2**20:.0f} MiB; send a smaller file, or use the command line"
    )
