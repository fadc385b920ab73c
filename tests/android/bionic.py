"""Makes the x86_64 TensorFlow Lite of the APK loadable by this machine's Java, which has glibc and not Android's libc.

Nothing of its code is changed: the requirement of symbol versions, which glibc does not have, is struck out, a few
names of functions that Android has with another meaning are altered, and a small library (bionic.c) has those.
"""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from android_demo.apk.tools import require, run

__all__ = ["make_loadable"]

_NAME = "libtensorflowlite_jni.so"
_ANDROID_LIBRARIES = ("libc.so", "libm.so", "libdl.so", "liblog.so")
_RENAMED = ("vfprintf", "fprintf", "fputc", "fflush", "fileno", "fwrite", "strerror_r", "sysconf")
_VERSION_TAGS = ("DT_VERSYM", "DT_VERDEF", "DT_VERDEFNUM", "DT_VERNEED", "DT_VERNEEDNUM")
_IGNORED_TAG = 0x6000_000E


def make_loadable(apk: Path, folder: Path) -> Path:
    """Put the library and what it needs into `folder`, and return it: it is java.library.path and LD_LIBRARY_PATH."""
    require("gcc")
    with zipfile.ZipFile(apk) as archive:
        original = archive.read(f"lib/x86_64/{_NAME}")
    content, elf = bytearray(original), ELFFile(io.BytesIO(original))
    _strike_versions(content, elf)
    _rename(content, elf)
    (folder / _NAME).write_bytes(content)
    source = Path(__file__).with_name("bionic.c")
    for name in _ANDROID_LIBRARIES:
        # One shim under each of Android's names; the real libraries come along as its own dependencies.
        options = ("-shared", "-fPIC", "-O1", f"-Wl,-soname,{name}", "-Wl,--no-as-needed")
        run("gcc", *options, "-o", folder / name, source, "-lm", "-ldl", "-lpthread")
    return folder


def _strike_versions(content: bytearray, elf: ELFFile) -> None:
    dynamic = elf.get_section_by_name(".dynamic")
    assert isinstance(dynamic, DynamicSection)
    for index, tag in enumerate(dynamic.iter_tags()):
        if tag.entry.d_tag in _VERSION_TAGS:
            struct.pack_into("<Q", content, dynamic["sh_offset"] + index * dynamic["sh_entsize"], _IGNORED_TAG)


def _rename(content: bytearray, elf: ELFFile) -> None:
    symbols = elf.get_section_by_name(".dynsym")
    assert isinstance(symbols, SymbolTableSection)
    names_at = symbols.stringtable["sh_offset"]
    for symbol in symbols.iter_symbols():
        if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name in _RENAMED:
            content[names_at + symbol["st_name"] + len(symbol.name) - 1] = ord("_")
