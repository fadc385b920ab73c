"""The part of this package that runs on a device, as one zip file that Python imports from.

So a device needs Python, numpy and a runtime, and not cxr-edge, and what runs there is what runs here.
"""

from __future__ import annotations

import importlib
import io
import zipfile
from pathlib import Path

from cxr_edge import files

__all__ = ["NAME", "write"]

NAME = "cxr_edge_kit.zip"

_WHOLE = ("cxr_edge.runtimes",)
_PARTS = {
    "cxr_edge": ("__init__", "bundle", "errors", "files", "limits", "quiet"),
    "cxr_edge.benchmarks": ("__init__", "_child", "conditions", "coverage", "machine", "memory"),
}
# The same bytes each time, so that a copy can be known by its hash.
_DATE = (2020, 1, 1, 0, 0, 0)


def write(folder: Path) -> Path:
    """Write the kit into `folder` and return its path. Raises OutputError."""
    sources = [(package, path) for package in _WHOLE for path in sorted(_folder(package).glob("*.py"))]
    sources += [(package, _folder(package) / f"{module}.py") for package, names in _PARTS.items() for module in names]
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for package, path in sources:
            entry = zipfile.ZipInfo(f"{package.replace('.', '/')}/{path.name}", _DATE)
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    files.write_bytes(folder / NAME, held.getvalue())
    return folder / NAME


def _folder(package: str) -> Path:
    return Path(next(iter(importlib.import_module(package).__path__)))
