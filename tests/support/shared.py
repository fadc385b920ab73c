"""What is dear to make is made once for all processes of a test run: pytest-xdist runs the tests in several."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder that all processes of this run share."""
    own = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each of its processes a folder inside that of the run.
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def make_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder `name`, which `make` has filled: in the process that asks first, while the others wait.

    Tests only read what is in it. When `make` fails or skips, the next process tries again.
    """
    folder = root(tmp_path_factory) / name
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / ".made"
        if not done.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            done.touch()
    return folder
