"""One tensor of a .tflite file: its type, shape, stored values and scales, each within its limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxr_edge.preflight.flatbuffer import Malformed, Table
from cxr_edge.preflight.tflite.schema import QuantizationField, TensorField

__all__ = ["DTYPES", "Scales", "Shape", "Tensor", "read_tensor", "refuse_fields"]

Shape = tuple[int, ...]

DTYPES = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    9: "int8",
}
"""The tensor types that exports use, by their number; strings, resources and variants are among the others."""

_MAX_RANK = 6
_MAX_TENSOR_BYTES = 256 * 2**20
_MAX_INTEGER_BYTES = 512
_MAX_SCALES = 1 << 14
_LEAST_SCALE = 1e-30
# Other ways to store values, and state.
_UNUSED = (
    TensorField.IS_VARIABLE,
    TensorField.SPARSITY,
    TensorField.VARIANT_TENSORS,
    TensorField.EXTERNAL_BUFFER,
)
_UNUSED_QUANTIZATION = (QuantizationField.DETAILS_TYPE, QuantizationField.DETAILS)


@dataclass(frozen=True)
class Scales:
    """The scales of a quantised tensor: how many, the axis they go along, the least and the greatest."""

    count: int = 0
    axis: int = 0
    least: float = 1.0
    greatest: float = 1.0


@dataclass(frozen=True)
class Tensor:
    """One tensor of the graph; `values` are the bytes of a constant, None for what the graph computes."""

    name: str
    dtype: str
    shape: Shape
    values: npt.NDArray[np.uint8] | None
    scales: Scales = Scales()

    @property
    def size_bytes(self) -> int:
        """How many bytes its values take."""
        return _measure(self.shape, self.dtype)

    def integers(self) -> npt.NDArray[np.int64] | None:
        """Return the values of a small integer constant, flat; None for anything else."""
        if self.values is None or self.dtype not in ("int32", "int64") or self.values.nbytes > _MAX_INTEGER_BYTES:
            return None
        return np.frombuffer(self.values.tobytes(), "<i4" if self.dtype == "int32" else "<i8").astype(np.int64)


def refuse_fields(table: Table, fields: Sequence[int], what: str) -> None:
    """Raise Malformed when the table, a `what`, stores one of the fields."""
    for field in fields:
        if table.has(field):
            raise Malformed(f"its {what} has a field {field}, which no export writes")


def read_tensor(table: Table, buffers: Sequence[npt.NDArray[np.uint8] | None]) -> Tensor:
    """Return the tensor that `table` describes, whose values are one of the buffers. Raises Malformed."""
    refuse_fields(table, _UNUSED, "tensor")
    name = table.text(TensorField.NAME) or ""
    dtype = DTYPES.get(table.number(TensorField.TYPE, "b"))
    if dtype is None:
        raise Malformed(f"tensor {name!r} has a type that no export uses")
    shape = _read_shape(table, name)
    size_bytes = _measure(shape, dtype)
    if size_bytes > _MAX_TENSOR_BYTES:
        raise Malformed(f"tensor {name!r} of shape {shape} takes more than {_MAX_TENSOR_BYTES >> 20} MiB")
    index = table.number(TensorField.BUFFER, "I")
    if index >= len(buffers):
        raise Malformed(f"tensor {name!r} names buffer {index} of {len(buffers)}")
    # Buffer 0 stands for none.
    values = buffers[index] if index else None
    if values is not None and values.nbytes != size_bytes:
        raise Malformed(f"tensor {name!r} of shape {shape} {dtype} has {values.nbytes} bytes, not {size_bytes}")
    quantization = table.table(TensorField.QUANTIZATION)
    scales = Scales() if quantization is None else _read_scales(quantization, name, dtype, shape)
    return Tensor(name, dtype, shape, values, scales)


def _measure(shape: Shape, dtype: str) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize


def _read_shape(table: Table, name: str) -> Shape:
    stored = table.numbers(TensorField.SHAPE, "<i4")
    shape = () if stored is None else tuple(int(side) for side in stored[: _MAX_RANK + 1].tolist())
    if len(shape) > _MAX_RANK or any(side < 1 for side in shape):
        raise Malformed(f"tensor {name!r} has the shape {shape}")
    signature = table.numbers(TensorField.SHAPE_SIGNATURE, "<i4")
    if signature is None or not signature.size:
        return shape
    # Compared by size first, for a signature may be far longer than any shape.
    if signature.size != len(shape) or tuple(signature.tolist()) != shape:
        raise Malformed(f"tensor {name!r} has a shape that changes")
    return shape


def _read_scales(table: Table, name: str, dtype: str, shape: Shape) -> Scales:
    refuse_fields(table, _UNUSED_QUANTIZATION, "quantization")
    scales = table.numbers(QuantizationField.SCALE, "<f4")
    zeros = table.numbers(QuantizationField.ZERO_POINT, "<i8")
    axis = table.number(QuantizationField.QUANTIZED_DIMENSION, "i")
    count = 0 if scales is None else scales.size
    if (0 if zeros is None else zeros.size) != count:
        raise Malformed(f"tensor {name!r} has {count} scales and another number of zero points")
    if scales is None or zeros is None or not count:
        return Scales()
    if count > _MAX_SCALES or axis < 0 or axis >= max(len(shape), 1) or count not in {1, *shape[axis : axis + 1]}:
        raise Malformed(f"tensor {name!r} of shape {shape} has {count} scales for axis {axis}")
    if not (np.isfinite(scales).all() and float(scales.min()) > _LEAST_SCALE):
        raise Malformed(f"tensor {name!r} has a scale that is no positive number")
    _check_zero_points(int(zeros.min()), int(zeros.max()), name, dtype)
    return Scales(count, axis, float(scales.min()), float(scales.max()))


def _check_zero_points(low: int, high: int, name: str, dtype: str) -> None:
    limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
    if limits is None or low < limits.min or high > limits.max:
        raise Malformed(f"tensor {name!r} of {dtype} has zero points of {low} to {high}")
