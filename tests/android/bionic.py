"""Makes the x86_64 TensorFlow Lite of the APK loadable by this machine's Java, which has glibc and not Android's libc.

Nothing of its code is changed: the requirement of symbol versions, which glibc does not have, is struck out, a few
names of functions that Android has with another meaning are altered, and a small library (bionic.c) has those.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from android_demo.apk.tools import require, run

__all__ = ["make_loadable"]

_NAME = "libtensorflowlite_jni.so"
_ANDROID_LIBRARIES = ("libc.so", "libm.so", "libdl.so", "liblog.so")
_RENAMED = ("vfprintf", "fprintf", "fputc", "fflush", "fileno", "fwrite", "strerror_r", "sysconf")
_DYNAMIC, _DYNSYM = 6, 11
# VERSYM, VERDEF, VERDEFNUM, VERNEED and VERNEEDNUM.
_VERSIONS = {0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF}
_IGNORED_TAG = 0x6000_000E


def make_loadable(apk: Path, folder: Path) -> Path:
    """Put the library and what it needs into `folder`, and return it: it is java.library.path and LD_LIBRARY_PATH."""
    require("gcc")
    with zipfile.ZipFile(apk) as archive:
        content = bytearray(archive.read(f"lib/x86_64/{_NAME}"))
    _strike_versions(content)
    _rename(content)
    (folder / _NAME).write_bytes(content)
    source = Path(__file__).with_name("bionic.c")
    for name in _ANDROID_LIBRARIES:
        # One shim under each of Android's names; the real libraries come along as its own dependencies.
        options = ("-shared", "-fPIC", "-O1", f"-Wl,-soname,{name}", "-Wl,--no-as-needed")
        run("gcc", *options, "-o", folder / name, source, "-lm", "-ldl", "-lpthread")
    return folder


def _strike_versions(content: bytearray) -> None:
    section = _section(content, _DYNAMIC)
    for at in range(section[4], section[4] + section[5], 16):
        (tag,) = struct.unpack_from("<Q", content, at)
        if tag in _VERSIONS:
            struct.pack_into("<Q", content, at, _IGNORED_TAG)


def _rename(content: bytearray) -> None:
    symbols = _section(content, _DYNSYM)
    strings = struct.unpack_from("<IIQQQQIIQQ", content, _sections_at(content) + 64 * symbols[6])[4]
    for at in range(symbols[4], symbols[4] + symbols[5], 24):
        name, _, _, home = struct.unpack_from("<IBBH", content, at)
        start = strings + name
        end = content.index(b"\0", start)
        if not home and content[start:end].decode() in _RENAMED:
            content[end - 1] = ord("_")


def _section(content: bytes | bytearray, kind: int) -> tuple[int, ...]:
    (count,) = struct.unpack_from("<H", content, 60)
    for index in range(count):
        section = struct.unpack_from("<IIQQQQIIQQ", content, _sections_at(content) + 64 * index)
        if section[1] == kind:
            return section
    raise ValueError(f"no section of kind {kind}")


def _sections_at(content: bytes | bytearray) -> int:
    (place,) = struct.unpack_from("<Q", content, 40)
    return int(place)
