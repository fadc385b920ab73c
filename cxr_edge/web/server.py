"""Listening: the socket is opened first, so that a port in use is one line, then uvicorn serves on it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import uvicorn

from cxr_edge.errors import UsageError
from cxr_edge.system.progress import say
from cxr_edge.web.app import make_app
from cxr_edge.web.app_state import Site
from cxr_edge.web.options import ServeOptions

__all__ = ["listen", "make_server", "serve"]


def serve(options: ServeOptions, announce: Callable[[str], None]) -> None:
    """Serve until stopped; `announce` gets the address once it listens. Raises UsageError."""
    listener = listen(options.host, options.port)
    with listener:
        server = make_server(options)
        if not _is_loopback(options.host):
            say(
                f"cxr-edge: warning: {options.host} can be reached from other machines: whoever reaches it can send "
                "films, read those of --films, and nothing is encrypted; use 127.0.0.1, the default, for yourself alone"
            )
        announce(_spell_address(listener))
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends the sandboxes before it waits for the requests at hand, some of which wait for those."""

    def __init__(self, config: uvicorn.Config, site: Site) -> None:
        super().__init__(config)
        self._site = site

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        self._site.stop()
        await super().shutdown(sockets)


def make_server(options: ServeOptions) -> uvicorn.Server:
    """Return the server of the application, not started. Raises UsageError."""
    site = Site(options)
    config = uvicorn.Config(
        make_app(site),
        # The log would have the films' names.
        access_log=False,
        log_config=None,
        log_level="error",
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="on",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=options.limits.connections,
        timeout_graceful_shutdown=3,
    )
    return _Server(config, site)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 takes a free one. Raises UsageError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{host}:{port}: cannot listen there ({reason}); choose another --port or --host") from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _spell_address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
