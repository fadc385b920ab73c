"""A model that keeps its reader busy: an .onnx of 20 MB that is ten million empty nodes of two bytes each."""

from __future__ import annotations

from pathlib import Path

from tests.support import models

CODE, FACT = 4, "more than 500000 fields"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    nodes = b"\x0a\x00" * 10_000_000
    size = bytearray()
    left = len(nodes)
    while left >= 0x80:
        size.append(left & 0x7F | 0x80)
        left >>= 7
    size.append(left)
    content = b"\x08\x08" + b"\x42\x04\x0a\x00\x10\x11" + b"\x3a" + bytes(size) + nodes
    models.write_bundle(folder / "evil", {"model_float32.onnx": content})
    return ["classify", "film.png", "--model", "evil"]
