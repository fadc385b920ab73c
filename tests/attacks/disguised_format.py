"""A film that gets a parser nobody meant to use: PostScript, which some libraries run, by the name of a PNG."""

from __future__ import annotations

from pathlib import Path

CODE, FACT = 1, "a text file, not an image"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    (folder / "evil.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(evil) print\n")
    return ["explain", "evil.png", "--out", "map.png"]
