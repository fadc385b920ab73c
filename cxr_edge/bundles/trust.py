"""Which model files are our own: those that ship with the package, and those that were made or approved here.

What was made here is noted by its SHA-256 in the user's state folder, an empty file for each, so that notes need no
lock. Whoever can write there can run what they like as this user anyway; docs/adr/0014-strange-models.md has more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.errors import BundleError, OutputError
from cxr_edge.system import files
from cxr_edge.system.paths import state_folder
from cxr_edge.system.progress import say

__all__ = ["is_ours", "note", "note_made", "store_path"]


def store_path() -> Path:
    """Return the folder of the notes."""
    return state_folder() / "made-here"


def is_ours(sha256: str) -> bool:
    """Return whether a model file of this hash ships with the package, or was made or approved here."""
    return os.path.isfile(store_path() / sha256) or sha256 in _list_shipped()


def note(hashes: Iterable[str]) -> None:
    """Note model files as our own. Raises OutputError."""
    for sha256 in hashes:
        files.write_bytes(store_path() / sha256, b"")


def note_made(bundle: Bundle, names: Iterable[str]) -> None:
    """Note artifacts that were just made here; where that cannot be, warn that they will run in a sandbox.

    `names` leaves out what a bundle only took over: the classifier that an export was made from may be a stranger's.
    """
    try:
        note(bundle.manifest.artifacts[name].sha256 for name in names)
    except OutputError as error:
        say(f"warning: {error}; the models of {bundle.path} will run in a sandbox, as those of others do")


def _list_shipped() -> set[str]:
    try:
        shipped = Bundle.read(default_bundle_path())
    except BundleError:
        # An installation without the shipped bundle trusts none of its files.
        return set()
    return {artifact.sha256 for artifact in shipped.manifest.artifacts.values()}
