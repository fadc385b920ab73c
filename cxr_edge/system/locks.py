"""Locks between processes, on files. The system lets go of a lock when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["hold", "try_lock"]


def try_lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; return False where another process holds it.

    Windows, and some network shares, know no such locks: there every process gets one.
    """
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
    return True


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Let one process at a time into the block; the file `path` stays. Raises OSError where it cannot be written."""
    with path.open("wb") as handle:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
