"""What a native library offers and how its parts must lie in memory, read by pyelftools."""

from __future__ import annotations

import io
from dataclasses import dataclass

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

__all__ = ["Library", "read_library"]

_ABIS = {"EM_AARCH64": "arm64-v8a", "EM_X86_64": "x86_64"}


@dataclass(frozen=True)
class Library:
    """`abi`, the least alignment of its loaded segments in bytes, the symbols that it defines and those it imports."""

    abi: str
    alignment: int
    symbols: frozenset[str]
    imports: frozenset[str]


def read_library(content: bytes) -> Library:
    """Read a shared library. Raises ValueError for another kind of file."""
    try:
        elf = ELFFile(io.BytesIO(content))
    except ELFError as error:
        raise ValueError("not an ELF file") from error
    symbols: set[str] = set()
    imports: set[str] = set()
    for section in elf.iter_sections("SHT_DYNSYM"):
        if not isinstance(section, SymbolTableSection):
            continue
        for symbol in section.iter_symbols():
            (imports if symbol["st_shndx"] == "SHN_UNDEF" else symbols).add(symbol.name)
    return Library(
        abi=_ABIS.get(elf["e_machine"], str(elf["e_machine"])),
        alignment=min(segment["p_align"] for segment in elf.iter_segments("PT_LOAD")),
        symbols=frozenset(symbols - {""}),
        imports=frozenset(imports - {""}),
    )
