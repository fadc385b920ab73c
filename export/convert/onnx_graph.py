"""Edits of an ONNX graph: names, zero points, constants in half precision, and its bytes, the same from run to run."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from cxr_edge.export.graph.deployment import HEAD_SCOPE

__all__ = ["align_zero_points", "halve_large", "name_batch", "renumber", "store", "to_bytes"]

_LARGE = 10_000
_COUNTED = re.compile(r"__\d+(:\d+)?$")


def align_zero_points(model: Any) -> None:
    """Give the channels of a convolution whose weights are all 0 the zero point of the others.

    ONNX Runtime up to 1.26 refuses different ones within a tensor, and later versions are several times slower on them.
    """
    stored = {item.name: item for item in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in stored:
            continue
        weights = numpy_helper.to_array(stored[node.input[0]]).copy()
        points = numpy_helper.to_array(stored[node.input[2]]).copy()
        if points.ndim != 1 or weights.ndim != 4 or len(np.unique(points)) == 1:
            continue
        common = np.bincount(points).argmax().astype(points.dtype)
        dead = (points != common) & (weights == points[:, None, None, None]).all(axis=(1, 2, 3))
        weights[dead] = common
        points[dead] = common
        store(stored, {node.input[0]: weights, node.input[2]: points})


def halve_large(model: Any, nodes: list[str]) -> None:
    """Store the large float matrices that `nodes` read in half precision, behind casts that are folded at loading."""
    chosen = [node for node in model.graph.node if node.name in nodes]
    read = {tensor for node in chosen for tensor in node.input}
    for item in model.graph.initializer:
        if item.name not in read or item.data_type != onnx.TensorProto.FLOAT or np.prod(item.dims) < _LARGE:
            continue
        half = f"{item.name}_half"
        cast = onnx.helper.make_node("Cast", [half], [item.name], f"{HEAD_SCOPE}/{half}", to=onnx.TensorProto.FLOAT)
        item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item).astype(np.float16), half))
        model.graph.node.insert(0, cast)


def renumber(model: Any) -> None:
    """Give the names that tf2onnx counts up, and those of constants, numbers in the order of the nodes that use them.

    Its own numbers, and which of several equal constants it keeps, depend on the order of Python's sets.
    """
    kept = {value.name for value in (*model.graph.input, *model.graph.output)}
    constants = {item.name: item for item in model.graph.initializer}
    renamed: dict[str, str] = {}
    for number, node in enumerate(model.graph.node):
        for tensor in node.input:
            if tensor in constants and tensor not in renamed:
                renamed[tensor] = f"constant_{len(renamed)}"
        renamed |= {
            tensor: f"{_COUNTED.sub('', tensor)}_{number}_{place}"
            for place, tensor in enumerate(node.output)
            if tensor not in kept and _COUNTED.search(tensor)
        }
        if _COUNTED.search(node.name):
            node.name = f"{_COUNTED.sub('', node.name)}_{number}"
        node.input[:] = [renamed.get(tensor, tensor) for tensor in node.input]
        node.output[:] = [renamed.get(tensor, tensor) for tensor in node.output]
    used = [constants[tensor] for tensor in renamed if tensor in constants]
    for item in used:
        item.name = renamed[item.name]
    del model.graph.value_info[:]
    copies = [copy.deepcopy(item) for item in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(copies)


def name_batch(model: Any) -> None:
    """Give the first dimension of every input and output the name "batch"."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def to_bytes(model: Any) -> bytes:
    """Check a model and return its bytes, with nothing in them that changes from run to run."""
    model.producer_name = "cxr-edge"
    model.producer_version = ""
    model.doc_string = ""
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def store(stored: Mapping[str, Any], values: Mapping[str, npt.NDArray[Any]]) -> None:
    """Give constants new values; `stored` are the initializers of a graph by their names."""
    for name, value in values.items():
        stored[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), name))
