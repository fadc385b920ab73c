"""A hostile model: sound in structure and contract, and it computes for minutes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["slow_onnx"]

_SIDE = 1024


def slow_onnx(layers: int = 4000) -> bytes:
    """Return an .onnx file of `layers` products of the film with one large matrix, about 10 ms each."""
    from onnx import TensorProto, helper, numpy_helper

    rows = 224 * 224 * 3 // _SIDE
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["pixels", "shape"], ["x0"]),
        *(helper.make_node("MatMul", [f"x{layer}", "weights"], [f"x{layer + 1}"]) for layer in range(layers)),
        helper.make_node("ReduceMean", [f"x{layers}"], ["mean"], axes=[0, 1], keepdims=0),
        helper.make_node("Reshape", ["mean", "one"], ["row"]),
        helper.make_node("MatMul", ["row", "last"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants: dict[str, npt.NDArray[Any]] = {
        "shape": np.array([rows, _SIDE], np.int64),
        "one": np.array([1, 1], np.int64),
        "weights": np.eye(_SIDE, dtype=np.float32),
        "last": np.ones((1, 2), np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 224, 224, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())
