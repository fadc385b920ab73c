"""The application on a port of its own."""

from __future__ import annotations

from tests.support.web_server import films, server, twins

__all__ = ["films", "server", "twins"]
