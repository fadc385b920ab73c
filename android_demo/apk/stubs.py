"""A jar of classes without code, made from Android's public interface: what javac and D8 compile against.

Only the class files' skeleton is written (The Java Virtual Machine Specification, chapter 4): no method has a body.
The stubs never run, on the phone least of all.
"""

from __future__ import annotations

import ast
import struct
import zipfile
from pathlib import Path

from android_demo.apk.archives import write_entries
from android_demo.apk.signatures import Api, ApiClass, Member

__all__ = ["write_stubs"]

_VERSION = 52  # Java 8, which both compilers read.
_FLAGS = {"public": 0x1, "protected": 0x4, "static": 0x8, "final": 0x10, "varargs": 0x80, "abstract": 0x400}
_NATIVE, _SUPER, _INTERFACE, _ANNOTATION, _ENUM = 0x100, 0x20, 0x200, 0x2000, 0x4000
_NUMBERS = {
    "I": (3, ">i"),
    "S": (3, ">i"),
    "B": (3, ">i"),
    "C": (3, ">i"),
    "F": (4, ">f"),
    "J": (5, ">q"),
    "D": (6, ">d"),
}
_NOT_FINITE = {
    "(0.0/0.0)": float("nan"),
    "(1.0/0.0)": float("inf"),
    "(-1.0/0.0)": float("-inf"),
    "(0.0f/0.0f)": float("nan"),
    "(1.0f/0.0f)": float("inf"),
    "(-1.0f/0.0f)": float("-inf"),
}


def write_stubs(api: Api, path: Path) -> None:
    """Write the jar. The JDK brings java.* and javax.* to the compiler, so the stubs leave them out."""
    nested: dict[str, list[ApiClass]] = {}
    for own in api.classes.values():
        for outer in _outer_names(own.name):
            nested.setdefault(outer, []).append(own)
    entries = {
        f"{own.name}.class": _class_file(own, nested.get(own.name, []), api)
        for own in api.classes.values()
        if not own.name.startswith(("java/", "javax/"))
    }
    write_entries(path, entries, compression=zipfile.ZIP_STORED)


def _outer_names(name: str) -> list[str]:
    """Return the names of the class itself and of those that it is nested in, without those that nest nothing."""
    parts = name.split("$")
    return ["$".join(parts[:count]) for count in range(1, len(parts) + 1)] if len(parts) > 1 else []


class _Pool:
    """The constant pool of a class file."""

    def __init__(self) -> None:
        self._indices: dict[bytes, int] = {}
        self._count = 1

    def add(self, entry: bytes, slots: int = 1) -> int:
        if entry not in self._indices:
            self._indices[entry] = self._count
            self._count += slots
        return self._indices[entry]

    def text(self, value: str) -> int:
        # Java's UTF-8 writes what lies beyond 16 bits as two surrogates, and NUL as two bytes.
        units = value.encode("utf-16-be", "surrogatepass")
        data = b"".join(
            b"\xc0\x80" if units[at : at + 2] == b"\0\0" else _encode_unit(units[at : at + 2])
            for at in range(0, len(units), 2)
        )
        return self.add(b"\x01" + struct.pack(">H", len(data)) + data)

    def name(self, value: str) -> int:
        return self.add(b"\x07" + struct.pack(">H", self.text(value)))

    def constant(self, descriptor: str, source: str) -> int | None:
        if descriptor == "Ljava/lang/String;":
            return self.add(b"\x08" + struct.pack(">H", self.text(_string(source))))
        if descriptor == "Z":
            return self.add(b"\x03" + struct.pack(">i", source == "true"))
        if descriptor not in _NUMBERS:
            return None
        tag, layout = _NUMBERS[descriptor]
        value: float = _NOT_FINITE.get(source) or ast.literal_eval(source.rstrip("fFL"))
        return self.add(bytes([tag]) + struct.pack(layout, value), slots=2 if tag in (5, 6) else 1)

    def to_bytes(self) -> bytes:
        return struct.pack(">H", self._count) + b"".join(self._indices)


def _encode_unit(unit: bytes) -> bytes:
    return unit.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")


def _string(source: str) -> str:
    text: str = ast.literal_eval(source)
    return text


def _class_file(own: ApiClass, nested: list[ApiClass], api: Api) -> bytes:
    pool = _Pool()
    kind = {"interface": _INTERFACE, "@interface": _INTERFACE | _ANNOTATION, "enum": _ENUM | _SUPER}.get(
        own.kind, _SUPER
    )
    flags = _flags(own.modifiers) | kind
    if kind & _INTERFACE:
        flags |= _FLAGS["abstract"]
    names = [pool.name(own.name), pool.name(own.superclass or "java/lang/Object")]
    interfaces = [pool.name(name) for name in own.interfaces]
    fields = b"".join(_field(item, pool) for item in own.fields)
    methods = b"".join(_method(item, own, pool) for item in own.methods)
    attributes = _inner_classes(own, nested, api, pool)
    return (
        # `protected` and `static` are not flags of a class file; InnerClasses has them.
        struct.pack(">IHH", 0xCAFEBABE, 0, _VERSION)
        + pool.to_bytes()
        + struct.pack(">HHH", (flags | 1) & ~0xC, *names)
        + struct.pack(f">H{len(interfaces)}H", len(interfaces), *interfaces)
        + struct.pack(">H", len(own.fields))
        + fields
        + struct.pack(">H", len(own.methods))
        + methods
        + attributes
    )


def _flags(modifiers: frozenset[str]) -> int:
    return sum(bit for word, bit in _FLAGS.items() if word in modifiers)


def _field(item: Member, pool: _Pool) -> bytes:
    head = struct.pack(">HHH", _flags(item.modifiers), pool.text(item.name), pool.text(item.descriptor))
    value = pool.constant(item.descriptor, item.constant) if item.constant else None
    if value is None:
        return head + struct.pack(">H", 0)
    return head + struct.pack(">HHIH", 1, pool.text("ConstantValue"), 2, value)


def _method(item: Member, own: ApiClass, pool: _Pool) -> bytes:
    flags = _flags(item.modifiers)
    if "interface" in own.kind and not item.modifiers & {"default", "static"}:
        flags |= _FLAGS["abstract"]
    if not flags & _FLAGS["abstract"]:
        flags |= _NATIVE  # A method without a body.
    head = struct.pack(">HHH", flags, pool.text(item.name), pool.text(item.descriptor))
    if not item.throws:
        return head + struct.pack(">H", 0)
    thrown = [pool.name(name) for name in item.throws]
    layout = f">HHIH{len(thrown)}H"
    return head + struct.pack(layout, 1, pool.text("Exceptions"), 2 + 2 * len(thrown), len(thrown), *thrown)


def _inner_classes(own: ApiClass, nested: list[ApiClass], api: Api, pool: _Pool) -> bytes:
    """Return the attribute by which a compiler finds Outer.Inner: a row for each class nested here or around here."""
    around = [api.classes[name] for name in _outer_names(own.name)[1:] if name in api.classes]
    rows = b""
    listed = {item.name: item for item in (*around, *nested) if "$" in item.name}
    for item in listed.values():
        outer, _, simple = item.name.rpartition("$")
        flags = _flags(item.modifiers) | (_INTERFACE | _FLAGS["abstract"] if "interface" in item.kind else 0)
        rows += struct.pack(">HHHH", pool.name(item.name), pool.name(outer), pool.text(simple), flags)
    if not listed:
        return struct.pack(">H", 0)
    return struct.pack(">HHIH", 1, pool.text("InnerClasses"), 2 + len(rows), len(listed)) + rows
