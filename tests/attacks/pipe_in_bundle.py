"""A bundle that waits for ever: its model file is a named pipe that nobody writes to."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support import models

CODE, FACT = 1, "is no regular file"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    bundle = models.write_bundle(folder / "evil", {"model_float32.tflite": models.tflite()})
    (bundle.path / "model_float32.tflite").unlink()
    os.mkfifo(bundle.path / "model_float32.tflite")
    return ["classify", "film.png", "--model", "evil"]
