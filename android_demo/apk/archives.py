"""Zip files whose bytes depend on nothing but what is in them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from cxr_edge.system import files

__all__ = ["write_entries"]

_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_entries(
    path: Path,
    entries: Mapping[str, bytes],
    *,
    stored: Callable[[str], bool] = lambda name: False,
) -> None:
    """Write a zip of `entries` in the order of their names, without times; those that `stored` picks uncompressed."""
    with files.atomic_write(path) as handle, zipfile.ZipFile(handle, "w") as archive:
        for name in sorted(entries):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_STORED if stored(name) else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, entries[name], compresslevel=9)
