"""The part of this package that runs on a device, as one zip file that Python imports from.

A device needs Python, numpy and a runtime, but not cxr-edge. The same code runs there and here. The kit holds every
module of this package that the worker imports, directly or indirectly.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from cxr_edge.benchmarks.measure.worker_client import WORKER
from cxr_edge.system import files

__all__ = ["NAME", "list_modules", "write"]

NAME = "cxr_edge_kit.zip"
_PACKAGE = "cxr_edge"
# The bytes are the same each time, so a copy can be checked by its hash.
_DATE = (2020, 1, 1, 0, 0, 0)


def write(folder: Path) -> Path:
    """Write the kit into `folder` and return its path. Raises OutputError."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for module, path in sorted(list_modules().items()):
            place = module.replace(".", "/") + ("/__init__.py" if path.name == "__init__.py" else ".py")
            archive.writestr(zipfile.ZipInfo(place, _DATE), path.read_bytes(), zipfile.ZIP_DEFLATED)
    files.write_bytes(folder / NAME, held.getvalue())
    return folder / NAME


def list_modules(start: str = WORKER) -> dict[str, Path]:
    """Return every module of this package that `start` imports, itself and its packages included, with its file."""
    found: dict[str, Path] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        path = None if name in found else _locate(name)
        if path is not None:
            found[name] = path
            waiting += _imports(path)
            waiting.append(name.rpartition(".")[0])
    return found


def _locate(module: str) -> Path | None:
    """Return the file of a module; None for the name of what is none, such as a class that a module holds."""
    if module.partition(".")[0] != _PACKAGE:
        return None
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _imports(path: Path) -> Iterator[str]:
    """Yield what the module in `path` imports, inside functions too."""
    tree = ast.parse(path.read_bytes())
    # A package offers names that are imported when they are asked for; the worker asks for none of them.
    nodes = tree.body if path.name == "__init__.py" else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
