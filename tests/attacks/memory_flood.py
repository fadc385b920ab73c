"""A model that takes all memory: every size in it is small, and together they make a tensor of 12 GiB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support import models
from tests.support.trees import change_onnx

CODE, FACT = 1, "model_float32.onnx: "


def make_model() -> bytes:
    """Return an .onnx of known operators that pads the film by far more than there is memory for."""
    import numpy as np
    from onnx import helper, numpy_helper

    def change(model: Any) -> None:
        margins = np.array([0, 0, 0, 0, 0, 32_000, 32_000, 0], np.int64)
        model.graph.initializer.append(numpy_helper.from_array(margins, "margins"))
        model.graph.node.insert(1, helper.make_node("Pad", ["pixels", "margins"], ["padded"]))
        for node in list(model.graph.node)[2:]:
            node.input[:] = ["padded" if name == "pixels" else name for name in node.input]

    return change_onnx(models.onnx(outputs=("probabilities",)), change)


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    models.write_bundle(folder / "evil", {"model_float32.onnx": make_model()})
    return ["explain", "film.png", "--model", "evil", "--out", "map.png"]
