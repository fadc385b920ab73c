"""The command that runs a module of this package in a Python of its own."""

from __future__ import annotations

import os
import sys

__all__ = ["list_imports", "python_command"]


def python_command(module: str, *arguments: str, isolated: bool = False) -> list[str]:
    """Return the command that runs `main()` of a module of this package in a Python of its own.

    The child gets this process' import path, so that it finds the package however that was installed. When `isolated`,
    neither the current folder nor the user's environment can put another module in its way.
    """
    code = f"import sys; sys.path[:0] = {list_imports()!r}; from {module} import main; main()"
    return [sys.executable, *(["-I"] if isolated else []), "-c", code, *arguments]


def list_imports() -> list[str]:
    """Return this process' import path as absolute paths, without the current folder."""
    return [os.path.abspath(entry) for entry in sys.path if entry]
