"""A model that is checked as one format and run as another: a sound .onnx with the mark of an ORT file."""

from __future__ import annotations

from pathlib import Path

from tests.support import models

CODE, FACT = 4, "is an ORT file"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    content = models.onnx()
    # The IR version of 5 bytes and the start of an unknown field bring the mark to where ONNX Runtime looks for it.
    marked = content[:4] + b"ORTM" + content[8:]
    models.write_bundle(folder / "evil", {"model_float32.onnx": marked})
    return ["classify", "film.png", "--model", "evil"]
