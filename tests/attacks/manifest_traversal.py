"""A manifest that leads out of its folder: an artifact by the name of a file above it."""

from __future__ import annotations

from pathlib import Path

from cxr_edge.bundles.manifest import MANIFEST_NAME
from tests.support import models

CODE, FACT = 1, "is no plain file name"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    bundle = models.write_bundle(folder / "evil", {"model_float32.tflite": models.tflite()})
    path = bundle.path / MANIFEST_NAME
    path.write_text(path.read_text().replace('"model_float32.tflite"', '"../film.png"'))
    return ["classify", "film.png", "--model", "evil"]
