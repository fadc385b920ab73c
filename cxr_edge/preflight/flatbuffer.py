"""A reader of flatbuffers that trusts nothing: every offset is checked before it is followed.

Only what `tflite` asks for is read, by the number of a field in its table's schema. No library is needed.
The layout is that of https://flatbuffers.dev/internals: all offsets are relative, and tables share vtables.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

__all__ = ["Malformed", "Table", "read_root"]

_MAX_TEXT_BYTES = 4096


class Malformed(ValueError):
    """The bytes are not what their format allows; the text is the fact alone."""


def read_root(content: bytes, identifier: bytes) -> Table:
    """Return the root table of a flatbuffer that carries `identifier`. Raises Malformed."""
    if content[4:8] != identifier:
        raise Malformed(f"it is of another format (it lacks the {identifier.decode()} mark)")
    return Table(content, _read(content, "<I", 0, "its root"))


class Table:
    """One table at `position`; a field is named by its number, from 0, in the order of the schema."""

    def __init__(self, content: bytes, position: int) -> None:
        self._content = content
        self._position = position
        self._vtable = position - _read(content, "<i", position, "a table")
        size = _read(content, "<H", self._vtable, "a vtable")
        self._size = _read(content, "<H", self._vtable + 2, "a vtable")
        if size < 4 or size % 2 or self._vtable + size > len(content):
            raise Malformed(f"the vtable at byte {self._vtable} has an impossible size")
        if self._size < 4 or position + self._size > len(content):
            raise Malformed(f"the table at byte {position} reaches beyond the end")
        self._fields = (size - 4) // 2

    def has(self, field: int) -> bool:
        """Return whether the field is stored."""
        return self._offset(field) != 0

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """Return an integer field; `kind` is its struct letter, such as "i" for an int32."""
        offset = self._offset(field)
        if not offset:
            return default
        if offset + struct.calcsize(kind) > self._size:
            raise Malformed(f"field {field} of the table at byte {self._position} lies outside it")
        return _read(self._content, f"<{kind}", self._position + offset, "a field")

    def table(self, field: int) -> Table | None:
        """Return a table that the field points to, None where there is none."""
        position = self._follow(field)
        return None if position is None else Table(self._content, position)

    def tables(self, field: int, most: int) -> list[Table]:
        """Return a vector of at most `most` tables; none where there is no vector."""
        start, count = self._vector(field, 4)
        if count > most:
            raise Malformed(f"it has {count} entries where {most} are the most")
        places = range(start, start + 4 * count, 4)
        return [Table(self._content, place + _read(self._content, "<I", place, "an entry")) for place in places]

    def numbers(self, field: int, dtype: str) -> npt.NDArray[np.generic] | None:
        """Return a vector of numbers of a little-endian numpy `dtype`, read-only; None where there is no vector."""
        if not self.has(field):
            return None
        start, count = self._vector(field, np.dtype(dtype).itemsize)
        return np.frombuffer(self._content, dtype, count, start)

    def text(self, field: int) -> str | None:
        """Return a string in UTF-8, None where there is none."""
        if not self.has(field):
            return None
        start, count = self._vector(field, 1)
        if count > _MAX_TEXT_BYTES:
            raise Malformed(f"it has a name of {count} bytes")
        try:
            return self._content[start : start + count].decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed(f"the name at byte {start} is no UTF-8") from error

    def _offset(self, field: int) -> int:
        return _read(self._content, "<H", self._vtable + 4 + 2 * field, "a vtable") if field < self._fields else 0

    def _follow(self, field: int) -> int | None:
        offset = self._offset(field)
        if not offset:
            return None
        if offset + 4 > self._size:
            raise Malformed(f"field {field} of the table at byte {self._position} lies outside it")
        place = self._position + offset
        return place + _read(self._content, "<I", place, "an offset")

    def _vector(self, field: int, item_bytes: int) -> tuple[int, int]:
        """Return where the items of a vector start and how many there are; all of them lie inside the file."""
        position = self._follow(field)
        if position is None:
            return 0, 0
        count = _read(self._content, "<I", position, "a vector")
        start = position + 4
        if count * item_bytes > len(self._content) - start:
            raise Malformed(f"the vector at byte {position} reaches beyond the end")
        # Native code reads it in place, which some processors refuse for a number that is not aligned.
        if count and start % item_bytes:
            raise Malformed(f"the vector at byte {position} is not aligned")
        return start, count


def _read(content: bytes, kind: str, position: int, what: str) -> int:
    if not 0 <= position <= len(content) - struct.calcsize(kind):
        raise Malformed(f"{what} lies outside the file, at byte {position}")
    number: int = struct.unpack_from(kind, content, position)[0]
    return number
