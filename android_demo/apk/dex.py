"""What a classes.dex defines and what it calls (Dalvik executable format, versions 035 to 039)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

__all__ = ["Dex", "DexClass", "Reference", "read_dex"]

_NATIVE = 0x100


@dataclass(frozen=True)
class Reference:
    """A method or field that code names: its owner's binary name, its own, and its JVM descriptor."""

    owner: str
    name: str
    descriptor: str


@dataclass
class DexClass:
    """A class that is defined here. `natives` are those of its methods that a library has to bring."""

    name: str
    superclass: str | None
    interfaces: tuple[str, ...]
    methods: set[tuple[str, str]] = field(default_factory=set)
    natives: set[tuple[str, str]] = field(default_factory=set)
    fields: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True)
class Dex:
    """The classes by name, all types by descriptor, and what code names."""

    classes: dict[str, DexClass]
    types: tuple[str, ...]
    methods: tuple[Reference, ...]
    fields: tuple[Reference, ...]


def read_dex(content: bytes) -> Dex:
    """Read a dex file. Raises ValueError for another kind of file."""
    if content[:4] != b"dex\n":
        raise ValueError("no dex file")
    return _Reader(content).read()


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._data = content
        # Counts and offsets of strings, types, prototypes, fields, methods, classes: the header's second half.
        sizes = struct.unpack_from("<12I", content, 0x38)
        self._tables = list(zip(sizes[::2], sizes[1::2], strict=True))

    def read(self) -> Dex:
        strings = [self._string(at) for (at,) in self._rows(0, "<I")]
        types = [strings[index] for (index,) in self._rows(1, "<I")]
        prototypes = [self._prototype(row, types) for row in self._rows(2, "<III")]
        fields = [(types[a], strings[c], types[b]) for a, b, c in self._rows(3, "<HHI")]
        methods = [(types[a], strings[c], prototypes[b]) for a, b, c in self._rows(4, "<HHI")]
        classes = [self._class(row, types, fields, methods) for row in self._rows(5, "<8I")]
        return Dex(
            {own.name: own for own in classes},
            tuple(types),
            tuple(Reference(_binary(owner), name, kind) for owner, name, kind in methods),
            tuple(Reference(_binary(owner), name, kind) for owner, name, kind in fields),
        )

    def _rows(self, table: int, layout: str) -> list[tuple[int, ...]]:
        count, offset = self._tables[table]
        size = struct.calcsize(layout)
        return list(struct.iter_unpack(layout, self._data[offset : offset + count * size]))

    def _string(self, at: int) -> str:
        _, at = self._number(at)
        end = self._data.index(b"\0", at)
        # Java's UTF-8 writes NUL as two bytes.
        return self._data[at:end].replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass")

    def _prototype(self, row: tuple[int, ...], types: list[str]) -> str:
        return f"({''.join(self._type_list(row[2], types))}){types[row[1]]}"

    def _type_list(self, at: int, types: list[str]) -> list[str]:
        if not at:
            return []
        (count,) = struct.unpack_from("<I", self._data, at)
        return [types[index] for index in struct.unpack_from(f"<{count}H", self._data, at + 4)]

    def _class(
        self,
        row: tuple[int, ...],
        types: list[str],
        fields: list[tuple[str, str, str]],
        methods: list[tuple[str, str, str]],
    ) -> DexClass:
        superclass = None if row[2] == 0xFFFFFFFF else _binary(types[row[2]])
        interfaces = tuple(_binary(name) for name in self._type_list(row[3], types))
        own = DexClass(_binary(types[row[0]]), superclass, interfaces)
        if at := row[6]:
            counts = []
            for _ in range(4):
                count, at = self._number(at)
                counts.append(count)
            for count in counts[:2]:
                at = self._read_fields(own, at, count, fields)
            for count in counts[2:]:
                at = self._read_methods(own, at, count, methods)
        return own

    def _read_fields(self, own: DexClass, at: int, count: int, fields: list[tuple[str, str, str]]) -> int:
        index = 0
        for _ in range(count):
            step, at = self._number(at)
            _, at = self._number(at)
            index += step
            own.fields.add(fields[index][1:])
        return at

    def _read_methods(self, own: DexClass, at: int, count: int, methods: list[tuple[str, str, str]]) -> int:
        index = 0
        for _ in range(count):
            step, at = self._number(at)
            flags, at = self._number(at)
            _, at = self._number(at)
            index += step
            own.methods.add(methods[index][1:])
            if flags & _NATIVE:
                own.natives.add(methods[index][1:])
        return at

    def _number(self, at: int) -> tuple[int, int]:
        """Return the unsigned LEB128 number at a place, and the place behind it."""
        value = shift = 0
        while True:
            byte = self._data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value, at


def _binary(descriptor: str) -> str:
    return descriptor[1:-1] if descriptor[0] == "L" else descriptor
