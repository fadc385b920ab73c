"""A bundle that reads a file of the user's: a .zip in which the model is a link to it."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

from cxr_edge.bundles.manifest import MANIFEST_NAME
from tests.support import models

CODE, FACT = 4, "a link or no regular file"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    bundle = models.write_bundle(folder / "source", {"model_float32.tflite": models.tflite()})
    with zipfile.ZipFile(folder / "evil.zip", "w") as archive:
        archive.write(bundle.path / MANIFEST_NAME, MANIFEST_NAME)
        entry = zipfile.ZipInfo("model_float32.tflite")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    return ["verify", "evil.zip"]
