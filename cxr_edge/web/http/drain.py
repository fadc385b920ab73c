"""Answers before a body is whole: a client that is still sending reads one only when its last bytes were taken."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cxr_edge.web.http.guard import SAFE_METHODS

__all__ = ["Drain"]

# So many bytes are taken and dropped, for so long; what comes later finds the connection closed.
_DRAINED_BYTES = 128 * 2**20
_DRAIN_S = 3.0


class Drain:
    """Takes what is left of a request's body before its answer begins, whoever gives the answer.

    A connection that is closed with bytes unread is reset, and the reset can overtake the answer: the client would
    see "connection reset" in place of what was wrong with its request. A client that waits to be asked for its body
    (Expect) or that stopped sending it (408) is not waited for.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS or "expect" in Headers(scope=scope):
            await self._app(scope, receive, send)
            return
        coming = True

        async def receive_noted() -> Message:
            nonlocal coming
            message = await receive()
            coming = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def take() -> None:
            taken = 0
            while coming and taken <= _DRAINED_BYTES:
                taken += len((await receive_noted()).get("body", b""))

        async def send_drained(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] != HTTPStatus.REQUEST_TIMEOUT:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(take(), _DRAIN_S)
            await send(message)

        await self._app(scope, receive_noted, send_drained)
