"""The bytes of an archive's films, one after the other; the container read last stays open."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from cxr_edge.archive import tars, zips
from cxr_edge.archive.members import Member
from cxr_edge.errors import DataError, ImageError, UnsafeFileError
from cxr_edge.imaging.limits import MAX_FILE_BYTES
from cxr_edge.system import files

__all__ = ["Reader"]


class Reader:
    """Reads members below the folder `root`; used in a `with` block. For one thread at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._place = ""
        self._stream: BinaryIO | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, member: Member) -> bytes:
        """Return the film's bytes. Raises ImageError, UnsafeFileError, which name the member's path and no other."""
        if member.kind == "fault":
            raise ImageError(f"{member.path}: {member.fault}")
        if member.kind == "file":
            return self._read_file(member)
        container = zips if member.kind == "zip" else tars
        try:
            content: bytes = container.read_member(self._open(member), member)
            return content
        except container.DAMAGE as error:
            # Its position, or what it has unpacked, can no longer be trusted.
            self.close()
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise ImageError(
                f"{member.path}: cannot be read from the archive ({reason}); make or download the archive again"
            ) from error

    def close(self) -> None:
        """Close the container that is open, if any."""
        if self._stream is not None:
            self._stream.close()
        self._stream, self._place = None, ""

    def _read_file(self, member: Member) -> bytes:
        path = self._root / member.place
        try:
            return files.read_capped(path, MAX_FILE_BYTES)
        except UnsafeFileError as error:
            raise UnsafeFileError(f"{member.path}: {_fact(error, path)}") from error
        except DataError as error:
            raise ImageError(f"{member.path}: {_fact(error, path)}") from error

    def _open(self, member: Member) -> BinaryIO:
        if self._stream is None or self._place != member.place:
            self.close()
            path = self._root / member.place
            self._stream = tars.open_stream(path) if member.kind == "tar" else path.open("rb")
            self._place = member.place
        return self._stream


def _fact(error: DataError | UnsafeFileError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")
