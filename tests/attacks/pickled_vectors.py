"""A bundle whose golden vectors run code when they are read: an .npz with a pickled object."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.golden import VECTORS_NAME
from cxr_edge.system.files import sha256_bytes
from tests.support import models

CODE, FACT = 1, "FAILED"


class Evil:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, ("was-here", "w")


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    bundle = models.write_bundle(folder / "evil", {"model_float32.tflite": models.tflite()})
    held = io.BytesIO()
    np.savez(held, pixels=np.array([Evil()], object), facts=np.array([Evil()], object))
    (bundle.path / VECTORS_NAME).write_bytes(held.getvalue())
    manifest = dataclasses.replace(bundle.manifest, files={VECTORS_NAME: sha256_bytes(held.getvalue())})
    Bundle(bundle.path, manifest).write_manifest()
    return ["verify", "evil"]
