"""A file name that takes over the terminal, or makes a line of its own in what is printed."""

from __future__ import annotations

from pathlib import Path

CODE, FACT = 1, r"evil\x1b[2J\ncovid.png"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    name = "evil\x1b[2J\ncovid.png"
    (folder / name).write_bytes(b"no film")
    return ["explain", name, "--out", "map.png"]
