"""A model that reads a file of the user's: an ONNX constant that lies in another file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support import models
from tests.support.trees import change_onnx

CODE, FACT = 4, "field 13 of a kind that is not taken"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    (folder / "secret.bin").write_bytes(bytes(24))

    def change(model: Any) -> None:
        stored = next(item for item in model.graph.initializer if item.name == "brightness_weights")
        stored.data_location = 1
        entry = stored.external_data.add()
        entry.key, entry.value = "location", "../secret.bin"
        stored.ClearField("raw_data")

    models.write_bundle(folder / "evil", {"model_float32.onnx": change_onnx(models.onnx(), change)})
    return ["classify", "film.png", "--model", "evil"]
