"""The one walk through folders, and what in them is hidden."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["is_hidden_file", "is_hidden_folder", "walk"]


def is_hidden_file(name: str) -> bool:
    """Say whether a file of this name is hidden, as ".DS_Store" and "._image.png" are."""
    return name.startswith(".")


def is_hidden_folder(name: str) -> bool:
    """Say whether a folder of this name is hidden or a tool's own: ".Trash-0", ".ipynb_checkpoints", "__MACOSX"."""
    return name.startswith((".", "__"))


def walk(folder: Path, on_fault: Callable[[str, OSError], None]) -> Iterator[os.DirEntry[str]]:
    """Yield the files anywhere below `folder`, in no order, as a stream; what is hidden is left out.

    Links to files are yielded, and links to folders are not followed. `on_fault` is told of each folder that cannot
    be listed, with the error, and may raise.
    """
    waiting = [os.fspath(folder)]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if not is_hidden_folder(entry.name):
                            waiting.append(entry.path)
                    elif not is_hidden_file(entry.name) and not entry.is_dir():
                        yield entry
        except OSError as error:
            on_fault(place, error)
