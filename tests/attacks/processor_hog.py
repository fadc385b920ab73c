"""A model that takes the processor for minutes: known operators, sound sizes, and far too much to compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support import models
from tests.support.trees import change_onnx

CODE, FACT = 1, "model_float32.onnx: "


def make_model() -> bytes:
    """Return an .onnx that squares a matrix of 4,096 x 4,096 two hundred times."""
    import numpy as np
    from onnx import helper, numpy_helper

    side = 4096

    def change(model: Any) -> None:
        graph = model.graph
        graph.initializer.append(numpy_helper.from_array(np.full(side, 0.01, np.float32), "row"))
        graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "across"))
        graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "down"))
        graph.initializer.append(numpy_helper.from_array(np.array([1, 2], np.int64), "both"))
        nodes = [
            # Depends on the film, or it would be computed once when the model is loaded.
            helper.make_node("ReduceMax", ["mean"], ["level"], keepdims=0),
            helper.make_node("Mul", ["row", "level"], ["scaled"]),
            helper.make_node("Unsqueeze", ["scaled", "across"], ["column"]),
            helper.make_node("Unsqueeze", ["scaled", "down"], ["line"]),
            helper.make_node("MatMul", ["column", "line"], ["power0"]),
        ]
        nodes += [helper.make_node("MatMul", [f"power{n}", f"power{n}"], [f"power{n + 1}"]) for n in range(200)]
        nodes += [
            helper.make_node("ReduceMax", ["power200"], ["much"], keepdims=0),
            helper.make_node("Add", ["mean", "much"], ["spoilt"]),
        ]
        for number, node in enumerate(nodes):
            graph.node.insert(2 + number, node)
        for node in list(graph.node)[2 + len(nodes) :]:
            node.input[:] = ["spoilt" if name == "mean" else name for name in node.input]

    return change_onnx(models.onnx(outputs=("probabilities",)), change)


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    models.write_bundle(folder / "evil", {"model_float32.onnx": make_model()})
    return ["explain", "film.png", "--model", "evil", "--out", "map.png"]
