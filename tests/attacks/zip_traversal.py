"""A bundle that writes outside of its folder: a .zip with a path upwards."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.support import models

CODE, FACT = 4, "several folders"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    bundle = models.write_bundle(folder / "source", {"model_float32.tflite": models.tflite()})
    with zipfile.ZipFile(folder / "evil.zip", "w") as archive:
        for path in bundle.path.iterdir():
            archive.write(path, path.name)
        archive.writestr("../../evil.txt", "was here")
    return ["classify", "film.png", "--model", "evil.zip"]
