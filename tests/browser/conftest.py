"""The application on a port of its own, and Debian's Chromium to look at it."""

from __future__ import annotations

from tests.support.web_server import browser, films, server, twins

__all__ = ["browser", "films", "server", "twins"]
