"""A manifest that exhausts its reader: a hundred thousand lists within each other."""

from __future__ import annotations

from pathlib import Path

from cxr_edge.bundles.manifest import MANIFEST_NAME

CODE, FACT = 1, "not valid JSON"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    (folder / "evil").mkdir()
    (folder / "evil" / MANIFEST_NAME).write_text('{"labels": ' + "[" * 100_000 + "]" * 100_000 + "}")
    return ["verify", "evil"]
