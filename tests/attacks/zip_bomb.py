"""A bundle that fills memory and disk: a .zip of 60 kB that unpacks to 60 MB."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.support import models

CODE, FACT = 4, "grows more than 100 times"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    bundle = models.write_bundle(folder / "source", {"model_float32.tflite": bytes(60_000_000)})
    with zipfile.ZipFile(folder / "evil.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in bundle.path.iterdir():
            archive.write(path, path.name)
    (bundle.path / "model_float32.tflite").unlink()
    return ["classify", "film.png", "--model", "evil.zip"]
