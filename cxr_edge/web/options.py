"""What the web application is started with, and the limits that keep it answering."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cxr_edge.processes.cores import count_cores

__all__ = ["Limits", "ServeOptions"]


@dataclass(frozen=True)
class Limits:
    """How much is taken at once. What is beyond a size gets HTTP 413, what is beyond a number 503.

    `held_bytes` is the most that the bodies of all requests may take in memory together, `requests` how many of them
    may be read, wait or run at a time; `body_timeout_s` is how long a sender may pause.
    """

    film_bytes: int = 64 * 2**20
    upload_bytes: int = 128 * 2**20
    held_bytes: int = 320 * 2**20
    requests: int = 16
    models: int = 16
    connections: int = 256
    body_timeout_s: float = 20.0
    workers: int = min(2, count_cores())


@dataclass(frozen=True)
class ServeOptions:
    """Where to listen and what to offer: bundles below `build` and `models`, and the films in `films`.

    Uploaded models are kept in `uploads`, and refused where that is None.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    build: Path = Path("build")
    models: Path | None = None
    films: Path | None = None
    uploads: Path | None = None
    limits: Limits = field(default_factory=Limits)
