"""Which films a watch is done with: a file that only grows, a line a film, so that a restart goes on where it stopped.

A line is a hash of a film's path, size and time. So the file is small and tells no name, and a film that was replaced
by another of the same name is a new one. A line that a power cut tore is not one, and its film is classified again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from cxr_edge.errors import OutputError, UsageError
from cxr_edge.system import locks
from cxr_edge.system.paths import state_folder

__all__ = ["Journal", "default_path", "name_film"]

_HEAD = b"# Films that cxr-edge is done with, as hashes. Without this file they are classified again.\n"
_LINE = re.compile(rb"^([0-9a-f]{32})$", re.MULTILINE)
_NAME_BYTES = 16


class Journal:
    """The films that are done, in the file `path`, which one process at a time may hold; used in a `with` block.

    Raises UsageError when another process holds the file, OutputError when it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise self._fault(error) from error
        try:
            if not stat.S_ISREG(os.fstat(self._file).st_mode):
                raise OutputError(f"{path}: is no regular file; name another with --journal")
            self._lock()
            self._done = self._read()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            os.fsync(self._file)
        os.close(self._file)

    def __contains__(self, name: bytes) -> bool:
        return name in self._done

    def __len__(self) -> int:
        return len(self._done)

    def add(self, name: bytes) -> None:
        """Write down that the film of this name (16 bytes, from `name_film`) is done. Raises OutputError."""
        self._write(name.hex().encode() + b"\n")
        self._done.add(name)

    def _lock(self) -> None:
        if not locks.try_lock(self._file):
            raise UsageError(
                f"{self.path}: another watch is writing to it; stop that one, or name another file with --journal"
            )

    def _read(self) -> set[bytes]:
        try:
            with open(self._file, "rb", closefd=False) as handle:
                content = handle.read()
        except OSError as error:
            raise self._fault(error) from error
        if not content:
            self._write(_HEAD)
        elif not content.endswith(b"\n"):
            # Torn: what comes next must not become part of that line.
            self._write(b"\n")
        return {bytes.fromhex(line.decode()) for line in _LINE.findall(content)}

    def _write(self, line: bytes) -> None:
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise self._fault(error) from error
        if written != len(line):
            raise OutputError(f"{self.path}: cannot be written (the disk is full); free some space")

    def _fault(self, error: OSError) -> OutputError:
        return OutputError(f"{self.path}: cannot be written ({error.strerror or error}); name another with --journal")


def name_film(path: Path, size_bytes: int, modified_ns: int) -> bytes:
    """Return the name of a film in the journal: 16 bytes, a hash of its absolute path, size and time."""
    text = os.fsencode(os.path.abspath(path)) + f"\0{size_bytes}:{modified_ns}".encode()
    return hashlib.blake2b(text, digest_size=_NAME_BYTES).digest()


def default_path(folders: Sequence[Path]) -> Path:
    """Return where the journal of these folders is: a name made from theirs, in the user's state folder."""
    names = b"\0".join(sorted(os.fsencode(os.path.realpath(folder)) for folder in folders))
    return state_folder() / f"watch-{hashlib.blake2b(names, digest_size=8).hexdigest()}.journal"
