"""A model that never ends: an ONNX Loop whose condition stays true, which keeps ONNX Runtime busy for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.support import models
from tests.support.trees import change_onnx

CODE, FACT = 4, "Loop, which no export uses"


def make_model() -> bytes:
    """Return an .onnx that keeps the contract and counts to 2**62 before it answers."""
    from onnx import TensorProto, helper, numpy_helper

    def change(model: Any) -> None:
        graph = model.graph
        body = helper.make_graph(
            [
                helper.make_node("Identity", ["go"], ["go_on"]),
                helper.make_node("Add", ["sum", "step"], ["next"]),
            ],
            "body",
            [
                helper.make_tensor_value_info("i", TensorProto.INT64, []),
                helper.make_tensor_value_info("go", TensorProto.BOOL, []),
                helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["n", 3]),
            ],
            [
                helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
                helper.make_tensor_value_info("next", TensorProto.FLOAT, ["n", 3]),
            ],
        )
        stored = {"times": np.array(2**62), "step": np.array(0, np.float32), "yes": np.array(True)}
        graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in stored.items())
        graph.node.insert(2, helper.make_node("Loop", ["times", "yes", "mean"], ["looped"], body=body))
        for node in list(graph.node)[3:]:
            node.input[:] = ["looped" if name == "mean" else name for name in node.input]

    return change_onnx(models.onnx(), change)


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    models.write_bundle(folder / "evil", {"model_float32.onnx": make_model()})
    return ["classify", "film.png", "--model", "evil"]
