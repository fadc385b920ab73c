"""Optional dependencies: whether they are there, and the error that names the extra where they are not."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from cxr_edge.errors import MissingExtraError

__all__ = ["import_extra", "is_installed", "need"]


def is_installed(module: str) -> bool:
    """Return whether a top-level module can be imported; nothing is imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:
        # In sys.modules without a spec.
        return False


def need(purpose: str, extra: str, *modules: str) -> None:
    """Raise MissingExtraError, which names `purpose` and `extra`, unless all `modules` are installed."""
    if not all(is_installed(module) for module in modules):
        raise MissingExtraError(purpose, extra)


def import_extra(module: str, purpose: str, extra: str) -> Any:
    """Return a module of an extra. Raises MissingExtraError, which names `purpose` and `extra`."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(purpose, extra) from error
