"""A film that takes all memory by what stands beside its pixels: a PNG text of 100 kB that unpacks to 100 MB."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from tests.attacks.picture_bomb import chunk

CODE, FACT = 1, "the PNG data are damaged or cut short"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000)))
    parts = chunk(b"IHDR", header), text, chunk(b"IDAT", zlib.compress(bytes(72))), chunk(b"IEND", b"")
    (folder / "evil.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return ["explain", "evil.png", "--out", "map.png"]
