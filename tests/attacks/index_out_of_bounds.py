"""A model that makes the interpreter read outside of its tables: an operator that names tensor 1,000,000."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support import models
from tests.support.trees import change_tflite

CODE, FACT = 4, "names tensor 1000000"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""

    def change(model: Any) -> None:
        model.subgraphs[0].operators[1].inputs[0] = 1_000_000

    models.write_bundle(folder / "evil", {"model_float32.tflite": change_tflite(models.tflite(), change)})
    return ["classify", "film.png", "--model", "evil"]
