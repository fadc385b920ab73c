"""A reader of protobuf messages that trusts nothing: lengths are checked, and what a schema does not have is refused.

Only the wire format (https://protobuf.dev/programming-guides/encoding) and what `onnx.py` asks for. A field that
stands twice where the schema has it once is refused too: protobuf merges the two, so another reader could see another
message than the one that was checked.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cxr_edge.preflight.flatbuffer import Malformed

__all__ = ["Message", "Schema", "count_varints"]

Schema = Mapping[int, tuple[str, str]]
"""The fields a message may have: number to name and wire types.

Wire types are "v" varint, "4" and "8" fixed, "b" bytes; with "*" at the end the field may stand there many times.
"""

_WIRE_TYPES = {0: "v", 1: "8", 2: "b", 5: "4"}
_MAX_VARINT_BYTES = 10
_MAX_FIELDS = 500_000


class Message:
    """One parsed message, whose fields are those of `schema`. A packed list counts as bytes, whatever it holds.

    A message and all that it contains, read by `child`, may have 500,000 fields together: an empty one takes two bytes
    of the file, and far more here.
    """

    def __init__(self, content: memoryview, schema: Schema, what: str, left: list[int] | None = None) -> None:
        self._fields: dict[str, list[int | memoryview]] = {}
        self._what = what
        self._left = [_MAX_FIELDS] if left is None else left
        position = 0
        while position < len(content):
            self._left[0] -= 1
            if self._left[0] < 0:
                raise Malformed(f"it has more than {_MAX_FIELDS} fields")
            key, position = _read_varint(content, position)
            number, wire = key >> 3, _WIRE_TYPES.get(key & 7)
            name, allowed = schema.get(number, ("", ""))
            if wire is None or wire not in allowed:
                raise Malformed(f"{what} has a field {number} of a kind that is not taken")
            value, position = _read_value(content, position, wire, what)
            values = self._fields.setdefault(name, [])
            if values and not allowed.endswith("*"):
                raise Malformed(f"{what} has its field {number} twice")
            values.append(value)

    def child(self, content: memoryview, schema: Schema, what: str) -> Message:
        """Return a message that is part of this one, as `parts` gives it."""
        return Message(content, schema, what, self._left)

    def has(self, name: str) -> bool:
        """Return whether the field is stored."""
        return name in self._fields

    def number(self, name: str, default: int = 0) -> int:
        """Return a varint field as a signed 64-bit integer."""
        (value,) = self._fields.get(name, [default])
        if not isinstance(value, int):
            raise Malformed(f"{self._what} has a field {name} of a kind that is not taken")
        return _sign(value)

    def text(self, name: str, default: str = "") -> str:
        """Return a string field. Raises Malformed when it is no UTF-8."""
        texts = self.texts(name)
        return texts[0] if texts else default

    def texts(self, name: str) -> list[str]:
        """Return a repeated string field. Raises Malformed when one is no UTF-8."""
        try:
            return [bytes(part).decode("utf-8") for part in self.parts(name)]
        except UnicodeDecodeError as error:
            raise Malformed(f"{self._what} has a name that is no UTF-8") from error

    def parts(self, name: str) -> list[memoryview]:
        """Return the contents of a field of bytes, messages or packed numbers."""
        return [value for value in self._fields.get(name, []) if isinstance(value, memoryview)]

    def numbers(self, name: str, most: int) -> list[int]:
        """Return a repeated varint field of at most `most` values, packed or not, as signed 64-bit integers."""
        if self.count(name, None) > most:
            raise Malformed(f"{self._what} has a list of more than {most} numbers")
        found = []
        for value in self._fields.get(name, []):
            if isinstance(value, int):
                found.append(value)
                continue
            position = 0
            while position < len(value):
                entry, position = _read_varint(value, position)
                found.append(entry)
        return [_sign(entry) for entry in found]

    def count(self, name: str, item_bytes: int | None) -> int:
        """Return how many numbers a repeated field holds, of `item_bytes` each, or varints where that is None."""
        values = self._fields.get(name, [])
        total = sum(isinstance(value, int) for value in values)
        for part in self.parts(name):
            if item_bytes is not None and len(part) % item_bytes:
                raise Malformed(f"{self._what} has a list that ends within a number")
            total += count_varints(part) if item_bytes is None else len(part) // item_bytes
        return total


def count_varints(content: memoryview) -> int:
    """Return how many varints there are, without decoding them. Raises Malformed when the last one is cut off."""
    data = np.frombuffer(content, np.uint8)
    if data.size and data[-1] >= 0x80:
        raise Malformed("a list ends within a number")
    return int(np.count_nonzero(data < 0x80))


def _sign(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _read_value(content: memoryview, position: int, wire: str, what: str) -> tuple[int | memoryview, int]:
    if wire == "v":
        return _read_varint(content, position)
    size = int(wire) if wire in "48" else -1
    if size < 0:
        size, position = _read_varint(content, position)
    if size > len(content) - position:
        raise Malformed(f"{what} reaches beyond its end")
    value = content[position : position + size]
    return (value if wire == "b" else int.from_bytes(value, "little")), position + size


def _read_varint(content: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * _MAX_VARINT_BYTES, 7):
        if position >= len(content):
            break
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, position
    raise Malformed("a number is cut off or too long")
