"""What native libraries write to stderr by themselves, kept off the user's terminal.

They write to the file descriptor from C++, some before they read their own log level, so that only the descriptor can
be quiet. What goes wrong is raised as an exception all the same.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["import_tensorflow", "quiet_stderr", "quiet_tensorflow_log"]


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what is written to file descriptor 2 nowhere while the block runs."""
    try:
        kept = os.dup(2)
    except OSError:
        # The process was started without a stderr, so there is nothing to keep clean.
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def quiet_tensorflow_log() -> None:
    """Keep TensorFlow's start-up log, which tells a user nothing, off stderr; works before its first import only."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def import_tensorflow() -> None:
    """Import TensorFlow without its start-up log. Raises ImportError."""
    if "tensorflow" in sys.modules:
        return
    quiet_tensorflow_log()
    with quiet_stderr():
        __import__("tensorflow")
