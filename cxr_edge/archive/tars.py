"""Tar archives, plain or packed by gzip, bzip2 or xz: where each film's bytes are in the unpacked stream.

A plain tar is read at any place at once. A packed one is a stream that goes forward only; films are therefore in the
order of their offsets, and a reader that keeps its stream open unpacks every byte once.
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from cxr_edge.archive.members import Member, is_film_name
from cxr_edge.imaging.limits import MAX_FILE_BYTES

__all__ = ["DAMAGE", "list_members", "open_stream", "read_member"]

DAMAGE: tuple[type[Exception], ...] = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError)
DAMAGE += (zlib.error, lzma.LZMAError)
"""What reading a damaged tar raises."""

_BLOCK_BYTES = 512
# Headers hold names and dates. The standard library would read one of any size into memory.
_MAX_HEADER_BYTES = 2**20
# Films hardly shrink; what unpacks to so much more than it is was made to fill a disk.
_MAX_GROWTH = 200
_FREE_BYTES = 256 * 2**20


class _Guarded:
    """A stream for tarfile that refuses large reads, for only headers are read here, and a bomb's length."""

    def __init__(self, stream: BinaryIO, limit_bytes: int) -> None:
        self._stream = stream
        self._limit_bytes = limit_bytes

    def read(self, size: int) -> bytes:
        if size > _MAX_HEADER_BYTES:
            raise ValueError("a header is larger than a header can be")
        return self._stream.read(size)

    def seek(self, offset: int) -> int:
        if offset > self._limit_bytes:
            raise ValueError("it unpacks to far more than films would; it is not read any further")
        return self._stream.seek(offset)

    def tell(self) -> int:
        return self._stream.tell()


def open_stream(path: Path) -> BinaryIO:
    """Return the unpacked stream of the tar `path`. Raises OSError."""
    with path.open("rb") as handle:
        head = handle.read(6)
    if head.startswith(b"\x1f\x8b"):
        import gzip

        return cast(BinaryIO, gzip.open(path, "rb"))
    if head.startswith(b"BZh"):
        import bz2

        return cast(BinaryIO, bz2.open(path, "rb"))
    if head.startswith(b"\xfd7zXZ\0"):
        return cast(BinaryIO, lzma.open(path, "rb"))
    return path.open("rb")


def list_members(path: Path, place: str) -> Iterator[Member]:
    """Yield the films in the tar `path`, which rows call `place`. Raises ValueError and what DAMAGE names."""
    limit_bytes = path.stat().st_size * _MAX_GROWTH + _FREE_BYTES
    with open_stream(path) as stream:
        guarded = _Guarded(stream, limit_bytes)
        with tarfile.open(fileobj=cast(BinaryIO, guarded), mode="r:") as tar:
            while (info := tar.next()) is not None:
                # tarfile keeps every member that it has seen, in a list that its types do not name.
                tar.members.clear()  # type: ignore[attr-defined]
                member = _to_member(place, info)
                if member is not None:
                    yield member
            # To tarfile a damaged header in the middle is the end.
            guarded.seek(tar.offset)
            if guarded.read(_BLOCK_BYTES) != bytes(_BLOCK_BYTES):
                raise ValueError("it is damaged or cut short; what comes before that was listed")


def read_member(stream: BinaryIO, member: Member) -> bytes:
    """Return the bytes of a film in an open stream. Raises what DAMAGE names."""
    stream.seek(member.offset)
    content = stream.read(member.size_bytes)
    if len(content) != member.size_bytes:
        raise EOFError("the file is cut short")
    return content


def _to_member(place: str, info: tarfile.TarInfo) -> Member | None:
    """Return the film of a header, a fault where it cannot be read, None for what is no film."""
    name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if info.isdir() or not is_film_name(name):
        return None
    fault = ""
    if info.issym() or info.islnk():
        fault = "is a link, which is not followed; add the file itself to the tar"
    elif not info.isreg() or info.issparse():
        fault = "is no regular file, so it is not read"
    elif info.size > MAX_FILE_BYTES:
        fault = f"larger than the limit of {MAX_FILE_BYTES / 2**20:.0f} MiB"
    if fault:
        return Member(place, "fault", name, info.offset, fault=fault)
    return Member(place, "tar", name, info.offset_data, info.size)
