"""A film that takes all memory: a PNG of a hundred bytes that claims 900 megapixels."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

CODE, FACT = 4, "900 megapixels, over the limit"


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")
    (folder / "evil.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return ["explain", "evil.png", "--out", "map.png"]
