"""A model that was changed after it was made: one bit of its weights."""

from __future__ import annotations

from pathlib import Path

from tests.support import models

CODE, FACT = 1, "sha256 differs from manifest.json"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    bundle = models.write_bundle(folder / "evil", {"model_float32.tflite": models.tflite()})
    path = bundle.path / "model_float32.tflite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return ["classify", "film.png", "--model", "evil"]
