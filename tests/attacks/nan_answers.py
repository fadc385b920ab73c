"""A model whose answer is no number, which compared with the threshold would pass for a negative."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.support import models
from tests.support.trees import change_onnx

CODE, FACT = 1, "values that are not finite"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""

    def change(model: Any) -> None:
        stored = next(item for item in model.graph.initializer if item.name == "brightness_offsets")
        stored.raw_data = np.array([np.nan, 1], np.float32).tobytes()

    models.write_bundle(folder / "evil", {"model_float32.onnx": change_onnx(models.onnx(), change)})
    return ["explain", "film.png", "--model", "evil", "--out", "map.png"]
