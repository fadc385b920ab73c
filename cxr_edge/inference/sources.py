"""What a user names as images: files, folders, patterns and standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cxr_edge.errors import DataError
from cxr_edge.imaging.limits import MAX_FILE_BYTES

__all__ = ["STDIN", "find_images", "read_stdin"]

STDIN = Path("-")
"""The path that stands for standard input."""


def find_images(sources: Sequence[Path]) -> list[Path]:
    """Return the files among `sources` as given and the image files anywhere below its folders, sorted, each once.

    In a folder an image is told by its name; hidden files and folders are left out. What does not exist is taken for a
    pattern where it has `*`, `?` or `[`; `**` reaches to any depth. STDIN is kept. Raises DataError for a path that
    does not exist, a pattern that matches nothing, and a folder that has no image or cannot be listed.
    """
    found: list[Path] = []
    for source in sources:
        for path in _expand(source):
            found += _search(path) if path != STDIN and os.path.isdir(path) else [path]
    return list(dict.fromkeys(found))


def read_stdin() -> bytes:
    """Return what standard input holds, up to just over the size that is too large for a film."""
    return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)


def _expand(source: Path) -> list[Path]:
    """Return the path itself, or what it matches as a pattern. Raises DataError where there is neither."""
    # Not Path.is_dir, which raises where a folder above may not be entered.
    if source == STDIN or os.path.exists(source):
        return [source]
    from glob import glob

    matches = sorted(glob(str(source), recursive=True))
    if not matches:
        raise DataError(f"{source}: does not exist or cannot be reached; check the path")
    return [Path(match) for match in matches]


def _search(folder: Path) -> list[Path]:
    from cxr_edge.data import listing

    found = listing.find_images(folder)
    if not found:
        raise DataError(f"{folder}: has no image files; give a folder with PNG, JPEG, WebP or DICOM films")
    return found
