"""A classifier that is a program: a .keras file whose configuration names a function of the operating system."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from tests.support import models

CODE, FACT = 4, "names os.function"


def make_model() -> bytes:
    """Return the .keras file."""
    config = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps({"layers": [config]}))
        archive.writestr("model.weights.h5", b"")
    return held.getvalue()


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    models.write_bundle(folder / "evil", {"model.keras": make_model()})
    return ["export", "evil", "--out", "out"]
