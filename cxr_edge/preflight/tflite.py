"""The structure of a .tflite file: indices, shapes, sizes, definition before use, and operators that are known.

LiteRT checks that a flatbuffer holds together and then trusts what it says: an index beyond a table, a constant that is
shorter than its shape or a tensor that nothing made ends its process. Field numbers are those of the TFLite schema.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import numpy.typing as npt

from cxr_edge.preflight import tflite_operators as operators
from cxr_edge.preflight.facts import ArtifactFacts, TensorFacts
from cxr_edge.preflight.flatbuffer import Malformed, Table, read_root
from cxr_edge.preflight.tflite_operators import Tensor

__all__ = ["DTYPES", "check"]

DTYPES = {
    **{0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64"},
    **{6: "bool", 7: "int16", 9: "int8"},
}
"""The tensor types that exports use, by their number; strings, resources and variants are among the others."""

_MAX_TENSORS = 20_000
_MAX_RANK = 6
_MAX_TENSOR_BYTES = 256 * 2**20
_MAX_ACTIVATION_BYTES = 2**30
_MAX_SCALES = 1 << 14
_MAX_NAMED = 64
_LEAST_SCALE = 1e-30
_BEHIND = 1
# Fields of a table that hold what no export has: other ways to store weights, custom code, state.
_UNUSED = {
    "model": (8, 9),
    "tensor": (5, 6, 9, 10),
    "operator": (5, 8, 9, 10, 11, 12),
    "quantization": (4, 5),
}


def check(content: bytes) -> ArtifactFacts:
    """Return the facts of a .tflite file. Raises Malformed with what is wrong."""
    model = read_root(content, b"TFL3")
    _refuse(model, "model")
    if model.number(0, "I") != 3:
        raise Malformed(f"its schema has version {model.number(0, 'I')}, not 3")
    buffers = [_read_buffer(table, content) for table in model.tables(4, _MAX_TENSORS)]
    codes = [_read_code(table) for table in model.tables(1, _MAX_TENSORS)]
    graphs = model.tables(2, 1)
    if not graphs:
        raise Malformed("it has no graph")
    tensors = [_read_tensor(table, buffers) for table in graphs[0].tables(0, _MAX_TENSORS)]
    if sum(math.prod(item.shape) * _width(item.dtype) for item in tensors if item.values is None) > (
        _MAX_ACTIVATION_BYTES
    ):
        raise Malformed(f"its tensors take more than {_MAX_ACTIVATION_BYTES >> 20} MiB")
    inputs, outputs = (_read_indices(graphs[0], field, len(tensors), "graph") for field in (1, 2))
    if any(tensors[index].values is not None for index in inputs):
        raise Malformed("one of its inputs is a constant")
    used = _check_operators(graphs[0], codes, tensors, inputs, outputs)
    _check_extras(model, len(buffers), len(tensors))
    return ArtifactFacts(
        "tflite",
        tuple(TensorFacts(tensors[index].name, tensors[index].dtype, tensors[index].shape) for index in inputs),
        tuple(TensorFacts(tensors[index].name, tensors[index].dtype, tensors[index].shape) for index in outputs),
        used,
        len(content),
        sum(item.nbytes for item in buffers if item is not None),
    )


def _width(dtype: str) -> int:
    return np.dtype(dtype).itemsize


def _refuse(table: Table, what: str) -> None:
    for field in _UNUSED[what]:
        if table.has(field):
            raise Malformed(f"its {what} has a field {field}, which no export writes")


def _read_buffer(table: Table, content: bytes) -> npt.NDArray[np.uint8] | None:
    """Return a buffer's bytes, which stand in the flatbuffer or, at an offset above 1, behind it; None when empty."""
    offset, size = table.number(1, "Q"), table.number(2, "Q")
    data = table.numbers(0, "u1")
    if offset > _BEHIND:
        if data is not None and data.size:
            raise Malformed("one of its buffers stands in two places")
        if offset + size > len(content):
            raise Malformed("one of its buffers reaches beyond the end")
        data = np.frombuffer(content, np.uint8, size, offset)
    return None if data is None or not data.size else data.astype(np.uint8, copy=False)


def _read_code(table: Table) -> operators.Operator:
    number = max(table.number(0, "b"), table.number(3, "i"))
    known = operators.KNOWN.get(number)
    if known is None or table.has(1):
        raise Malformed(f"it has the operator number {number}, which no export uses")
    return known


def _read_tensor(table: Table, buffers: list[npt.NDArray[np.uint8] | None]) -> Tensor:
    _refuse(table, "tensor")
    name = table.text(3) or ""
    dtype = DTYPES.get(table.number(1, "b"))
    if dtype is None:
        raise Malformed(f"tensor {name!r} has a type that no export uses")
    shape = _read_shape(table, name)
    size = math.prod(shape) * _width(dtype)
    if size > _MAX_TENSOR_BYTES:
        raise Malformed(f"tensor {name!r} of shape {shape} takes more than {_MAX_TENSOR_BYTES >> 20} MiB")
    index = table.number(2, "I")
    if index >= len(buffers):
        raise Malformed(f"tensor {name!r} names buffer {index} of {len(buffers)}")
    values = buffers[index] if index else None
    if values is not None and values.nbytes != size:
        raise Malformed(f"tensor {name!r} of shape {shape} {dtype} has {values.nbytes} bytes, not {size}")
    quantization = table.table(4)
    if quantization is None:
        return Tensor(name, dtype, shape, values)
    return Tensor(name, dtype, shape, values, *_check_quantization(quantization, name, dtype, shape))


def _read_shape(table: Table, name: str) -> tuple[int, ...]:
    shape = table.numbers(0, "<i4")
    sides = () if shape is None else tuple(int(side) for side in shape[: _MAX_RANK + 1].tolist())
    if len(sides) > _MAX_RANK or any(side < 1 for side in sides):
        raise Malformed(f"tensor {name!r} has the shape {sides}")
    signature = table.numbers(7, "<i4")
    if (
        signature is not None
        and signature.size
        and (signature.size != len(sides) or tuple(signature.tolist()) != sides)
    ):
        raise Malformed(f"tensor {name!r} has a shape that changes")
    return sides


def _check_quantization(
    table: Table, name: str, dtype: str, shape: tuple[int, ...]
) -> tuple[int, int, tuple[float, float]]:
    """Return how many scales a tensor has, the axis they go along, and the least and the greatest."""
    _refuse(table, "quantization")
    scales, zeros, axis = table.numbers(2, "<f4"), table.numbers(3, "<i8"), table.number(6, "i")
    count = 0 if scales is None else scales.size
    if (0 if zeros is None else zeros.size) != count:
        raise Malformed(f"tensor {name!r} has {count} scales and another number of zero points")
    if scales is None or zeros is None or not count:
        return 0, 0, (1.0, 1.0)
    if count > _MAX_SCALES or axis < 0 or axis >= max(len(shape), 1) or count not in {1, *shape[axis : axis + 1]}:
        raise Malformed(f"tensor {name!r} of shape {shape} has {count} scales for axis {axis}")
    if not (np.isfinite(scales).all() and float(scales.min()) > _LEAST_SCALE):
        raise Malformed(f"tensor {name!r} has a scale that is no positive number")
    limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
    low, high = (int(zero) for zero in (zeros.min(), zeros.max()))
    if limits is None or low < limits.min or high > limits.max:
        raise Malformed(f"tensor {name!r} of {dtype} has zero points of {low} to {high}")
    return count, axis, (float(scales.min()), float(scales.max()))


def _read_indices(table: Table, field: int, count: int, what: str, *, optional: bool = False) -> list[int]:
    found = table.numbers(field, "<i4")
    if found is not None and found.size > operators.MAX_INPUTS:
        # Many operators may share one long list, which then is read as often.
        raise Malformed(f"its {what} names {found.size} tensors")
    indices = [] if found is None else [int(index) for index in found.tolist()]
    for index in indices:
        if not (0 <= index < count or (optional and index == -1)):
            raise Malformed(f"its {what} names tensor {index} of {count}")
    return indices


def _check_operators(
    graph: Table, codes: list[operators.Operator], tensors: list[Tensor], inputs: list[int], outputs: list[int]
) -> Counter[str]:
    """Check every operator in the order they run. Returns how often each is used."""
    made = set(inputs)
    used: Counter[str] = Counter()
    for position, table in enumerate(graph.tables(3, _MAX_TENSORS)):
        _refuse(table, "operator")
        code = table.number(0, "I")
        if code >= len(codes):
            raise Malformed(f"operator {position} is of kind {code} of {len(codes)}")
        operator = codes[code]
        where = f"operator {position} ({operator.name})"
        taken = _read_indices(table, 1, len(tensors), where, optional=True)
        given = _read_indices(table, 2, len(tensors), where)
        for index in taken:
            if index >= 0 and index not in made and tensors[index].values is None:
                raise Malformed(f"{where} uses tensor {index} before it is made")
        for index in given:
            if index in made or tensors[index].values is not None:
                raise Malformed(f"{where} writes tensor {index}, which is made elsewhere")
            made.add(index)
        # An operator may leave out its last inputs, or say so by -1.
        arguments = [tensors[index] if index >= 0 else None for index in taken]
        operators.check(operator, where, table, arguments, [tensors[index] for index in given])
        used[operator.name] += 1
    for index in outputs:
        if index not in made:
            raise Malformed(f"its output {index} is made by no operator")
    return used


def _check_extras(model: Table, buffers: int, tensors: int) -> None:
    """Check what stands beside the graph: metadata and signatures."""
    for entry in model.tables(6, 64):
        if entry.text(0) is None or entry.number(1, "I") >= buffers:
            raise Malformed("its metadata name a buffer that is not there")
    for signature in model.tables(7, 16):
        if signature.text(2) is None or signature.number(4, "I"):
            raise Malformed("one of its signatures has no name or another graph")
        for field in (0, 1):
            for entry in signature.tables(field, _MAX_NAMED):
                if entry.text(0) is None or entry.number(1, "I") >= tensors:
                    raise Malformed("one of its signatures names a tensor that is not there")
