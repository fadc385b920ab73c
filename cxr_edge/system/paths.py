"""The user's folders that this package keeps things in, by the XDG Base Directory Specification."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder", "data_folder", "state_folder"]

_NAME = "cxr-edge"


def cache_folder() -> Path:
    """Return the folder for what can be made again; it may not exist yet."""
    return _folder("XDG_CACHE_HOME", "~/.cache")


def data_folder() -> Path:
    """Return the folder for what the user gave us to keep; it may not exist yet."""
    return _folder("XDG_DATA_HOME", "~/.local/share")


def state_folder() -> Path:
    """Return the folder for what is true of this machine alone, such as trust; it may not exist yet."""
    return _folder("XDG_STATE_HOME", "~/.local/state")


def _folder(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path(default).expanduser()) / _NAME
