"""What a native library offers and how its parts must lie in memory (ELF-64, little-endian)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["Library", "read_library"]

_LOAD = 1
_DYNSYM = 11
_MACHINES = {183: "arm64-v8a", 62: "x86_64"}


@dataclass(frozen=True)
class Library:
    """`abi`, the least alignment of its loaded segments in bytes, the symbols that it defines and those it imports."""

    abi: str
    alignment: int
    symbols: frozenset[str]
    imports: frozenset[str]


def read_library(content: bytes) -> Library:
    """Read a shared library. Raises ValueError for another kind of file."""
    if content[:6] != b"\x7fELF\x02\x01":
        raise ValueError("no 64-bit ELF file")
    machine, program_at, section_at, program_count, section_count = _header(content)
    segments = [struct.unpack_from("<IIQQQQQQ", content, program_at + 56 * index) for index in range(program_count)]
    sections = [struct.unpack_from("<IIQQQQIIQQ", content, section_at + 64 * index) for index in range(section_count)]
    defined: set[str] = set()
    imported: set[str] = set()
    for section in sections:
        if section[1] == _DYNSYM:
            _read_symbols(content, section, sections[section[6]], defined, imported)
    alignment = min(segment[7] for segment in segments if segment[0] == _LOAD)
    abi = _MACHINES.get(machine, f"machine {machine}")
    return Library(abi, alignment, frozenset(defined), frozenset(imported))


def _header(content: bytes) -> tuple[int, int, int, int, int]:
    _, machine, _, _, program_at, section_at, _, _, _, program_count, _, section_count, _ = struct.unpack_from(
        "<HHIQQQIHHHHHH", content, 16
    )
    return machine, program_at, section_at, program_count, section_count


def _read_symbols(
    content: bytes, section: tuple[int, ...], names: tuple[int, ...], defined: set[str], imported: set[str]
) -> None:
    table = content[section[4] : section[4] + section[5]]
    for name, _, _, home, _, _ in struct.iter_unpack("<IBBHQQ", table):
        if name:
            start = names[4] + name
            (defined if home else imported).add(content[start : content.index(b"\0", start)].decode())
