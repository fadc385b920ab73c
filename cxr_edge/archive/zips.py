"""Zip archives by the public format description (APPNOTE 6.3.10): the directory as a stream, and a member's bytes.

The standard library's reader holds the whole directory in memory, some 500 bytes a film in every worker; this one
holds one entry. A name is only ever a name: nothing is written anywhere, and links are not followed.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cxr_edge.archive.members import Member, is_film_name
from cxr_edge.errors import ImageError, UnsafeFileError
from cxr_edge.imaging.limits import MAX_FILE_BYTES

__all__ = ["DAMAGE", "list_members", "read_member"]

DAMAGE: tuple[type[Exception], ...] = (OSError, EOFError, ValueError, OverflowError, struct.error, zlib.error)
"""What reading a damaged zip raises."""

_END = struct.Struct("<4s4H2LH")
_LOCATOR64 = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT_BYTES = 0xFFFF
_FULL = 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _UTF8 = 0x1, 0x800
_UNIX = 3
# A deflated film may be a little larger than the film.
_MAX_PACKED_BYTES = MAX_FILE_BYTES + 2**20


def list_members(path: Path, place: str) -> Iterator[Member]:
    """Yield the films in the zip `path`, which rows call `place`. Raises ValueError and what DAMAGE names."""
    with path.open("rb") as handle:
        start, size, shift = _find_directory(handle)
        handle.seek(start)
        left = size
        while left > 0:
            fixed = _exactly(handle, _ENTRY.size)
            entry = _ENTRY.unpack(fixed)
            if entry[0] != b"PK\x01\x02":
                raise ValueError("the directory is damaged")
            name_size, extra_size, comment_size = entry[10:13]
            raw, extra = _exactly(handle, name_size), _exactly(handle, extra_size)
            _exactly(handle, comment_size)
            left -= _ENTRY.size + name_size + extra_size + comment_size
            member = _to_member(place, entry, raw, extra, shift)
            if member is not None:
                yield member


def read_member(handle: BinaryIO, member: Member) -> bytes:
    """Return the unpacked bytes of a film. Raises ImageError, UnsafeFileError, and what DAMAGE names."""
    handle.seek(member.offset)
    local = _LOCAL.unpack(_exactly(handle, _LOCAL.size))
    if local[0] != b"PK\x03\x04":
        raise ValueError("no member begins there")
    handle.seek(local[-2] + local[-1], 1)
    packed = _exactly(handle, member.size_bytes)
    content = packed if member.method == _STORED else _inflate(packed, member)
    if zlib.crc32(content) != member.crc32:
        raise ImageError(f"{member.path}: its checksum in the zip differs; make or download the zip again")
    return content


def _inflate(packed: bytes, member: Member) -> bytes:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    content = stream.decompress(packed, MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise UnsafeFileError(f"{member.path}: unpacks to more than {MAX_FILE_BYTES / 2**20:.0f} MiB; it is no film")
    if not stream.eof:
        raise ValueError("the member is cut short")
    return content


def _find_directory(handle: BinaryIO) -> tuple[int, int, int]:
    """Return where the directory starts, its size, and how far all is shifted by what stands before the zip."""
    size = handle.seek(0, 2)
    tail_at = max(0, size - _END.size - _MAX_COMMENT_BYTES)
    handle.seek(tail_at)
    tail = handle.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise ValueError("it has no zip directory")
    end_at = tail_at + at
    *_, entries, directory_size, directory_at, _comment = _END.unpack_from(tail, at)
    if _FULL in (directory_size, directory_at) or entries == 0xFFFF:
        handle.seek(max(0, end_at - _LOCATOR64.size))
        locator = handle.read(_LOCATOR64.size)
        if locator.startswith(b"PK\x06\x07"):
            # The record lies right before its locator, whatever was put before the zip.
            end_at -= _LOCATOR64.size + _END64.size
            handle.seek(max(0, end_at))
            record = _END64.unpack(_exactly(handle, _END64.size))
            if record[0] != b"PK\x06\x06":
                raise ValueError("the zip64 directory is damaged")
            directory_size, directory_at = record[-2:]
    start = end_at - directory_size
    if start < 0 or start < directory_at:
        raise ValueError("the directory does not fit into the file")
    return start, directory_size, start - directory_at


def _to_member(place: str, entry: tuple[int, ...], raw: bytes, extra: bytes, shift: int) -> Member | None:
    """Return the film of a directory entry, a fault where it cannot be read, None for what is no film."""
    made_by, _, flags, method = entry[1:5]
    crc32, packed_size = entry[7:9]
    name = raw.decode("utf-8" if flags & _UTF8 else "cp437", "backslashreplace")
    if name.endswith("/") or not is_film_name(name):
        return None
    if made_by >> 8 == _UNIX and stat.S_ISLNK(entry[15] >> 16):
        return Member(place, "fault", name, fault="is a link, which is not followed; add the file itself to the zip")
    if flags & _ENCRYPTED:
        return Member(place, "fault", name, fault="is encrypted; unpack the zip, and give the folder")
    if method not in (_STORED, _DEFLATED):
        return Member(
            place, "fault", name, fault=f"is packed by method {method}, which is not read; unpack the zip first"
        )
    packed_size, offset = _widen(entry, extra)
    if packed_size > _MAX_PACKED_BYTES:
        return Member(place, "fault", name, fault=f"larger than the limit of {MAX_FILE_BYTES / 2**20:.0f} MiB")
    return Member(place, "zip", name, offset + shift, packed_size, method, crc32)


def _widen(entry: tuple[int, ...], extra: bytes) -> tuple[int, int]:
    """Return the packed size and the offset of an entry, from its zip64 field where they do not fit in 32 bits."""
    # In the order in which the field has those that do not fit.
    sizes = [entry[9], entry[8], entry[16]]
    at = 0
    while _FULL in sizes and at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            values = iter(struct.unpack_from(f"<{length // 8}Q", extra, at + 4))
            sizes = [next(values, _FULL) if size == _FULL else size for size in sizes]
        at += 4 + length
    return sizes[1], sizes[2]


def _exactly(handle: BinaryIO, size: int) -> bytes:
    data = handle.read(size)
    if len(data) != size:
        raise EOFError("the file is cut short")
    return data
