"""The operators a .tflite may use, and for each whether its inputs, options and outputs fit together.

LiteRT's kernels check much of this themselves, but by no means all, and what they miss ends the process. The list is
what exports of the four backbones use; control flow, state, custom code and operators whose output can be of any size
are not on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cxr_edge.preflight.flatbuffer import Malformed, Table
from cxr_edge.preflight.tflite import layers, shapes
from cxr_edge.preflight.tflite.schema import OperatorField
from cxr_edge.preflight.tflite.shapes import Inputs, ShapeRule
from cxr_edge.preflight.tflite.tensor import Tensor

__all__ = ["KNOWN", "MAX_INPUTS", "BuiltinOptions", "Operator", "check"]

MAX_INPUTS = 64
"""The most inputs that any operator may have."""

TypeRule = Callable[[Sequence[str], str], bool]
"""Says whether the types of the inputs, of which there is one at least, fit that of the output."""

_LEAST_FACTOR, _GREATEST_FACTOR = 1e-15, 200.0
# The types that weights and bias may have, by the type of the layer's input.
_WEIGHTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "float32": (("float32",), ("float32", "float32"), ("int8",), ("int8", "float32")),
    "int8": (("int8",), ("int8", "int32")),
    "int16": (("int8",), ("int8", "int32"), ("int8", "int64")),
}


class BuiltinOptions:
    """Which table the options of an operator are: values of the union BuiltinOptions."""

    NONE = 0
    CONV_2D = 1
    DEPTHWISE_CONV_2D = 2
    POOL_2D = 5
    FULLY_CONNECTED = 8
    SOFTMAX = 9
    CONCATENATION = 10
    ADD = 11
    RESIZE_BILINEAR = 15
    RESHAPE = 17
    MUL = 21
    PAD = 22
    TRANSPOSE = 26
    REDUCER = 27
    SUB = 28
    DIV = 29
    STRIDED_SLICE = 32
    CAST = 37
    DEQUANTIZE = 38
    MAXIMUM_MINIMUM = 39
    GREATER = 44
    GREATER_EQUAL = 45
    QUANTIZE = 89


def _are_same(inputs: Sequence[str], output: str) -> bool:
    return output != "bool" and set(inputs) == {output}


def _keeps_first(inputs: Sequence[str], output: str) -> bool:
    return output != "bool" and inputs[0] == output and set(inputs[1:]) <= {"int32"}


def _compares(inputs: Sequence[str], output: str) -> bool:
    return inputs[0] != "bool" and len(set(inputs)) == 1 and output == "bool"


def _casts(inputs: Sequence[str], output: str) -> bool:
    return True


def _quantizes(inputs: Sequence[str], output: str) -> bool:
    return inputs[0] in ("float32", "int8", "int16") and output in ("int8", "int16", "uint8")


def _dequantizes(inputs: Sequence[str], output: str) -> bool:
    return inputs[0] in ("float16", "int8", "int16", "uint8") and output == "float32"


def _has_weights(inputs: Sequence[str], output: str) -> bool:
    return inputs[0] == output and tuple(inputs[1:]) in _WEIGHTS.get(inputs[0], ())


@dataclass(frozen=True)
class Operator:
    """One kind of operator: how many inputs it takes, which table its options are, and the rules of shape and type."""

    name: str
    fewest: int
    most: int
    options: int
    find_shape: ShapeRule
    types_fit: TypeRule = _are_same


def check(operator: Operator, where: str, table: Table, inputs: Inputs, outputs: Sequence[Tensor]) -> None:
    """Raise Malformed unless the operator stored in `table` fits its tensors; `where` names it in the error."""
    kind = table.number(OperatorField.BUILTIN_OPTIONS_TYPE, "B")
    options = table.table(OperatorField.BUILTIN_OPTIONS)
    if kind not in (BuiltinOptions.NONE, operator.options) or (options is None) != (kind == BuiltinOptions.NONE):
        raise Malformed(f"{where} has the options of another operator")
    if not operator.fewest <= len(inputs) <= operator.most or len(outputs) != 1:
        raise Malformed(f"{where} has {len(inputs)} inputs and {len(outputs)} outputs")
    if any(item is None for item in inputs[: operator.fewest]):
        raise Malformed(f"{where} lacks an input")
    try:
        wanted = operator.find_shape(options, inputs)
        _check_types(operator, [item for item in inputs if item is not None], outputs[0])
    except Malformed as error:
        raise Malformed(f"{where} {error}") from error
    if outputs[0].shape != wanted:
        raise Malformed(f"{where} gives shape {outputs[0].shape} where its inputs make {wanted}")


def _check_types(operator: Operator, inputs: Sequence[Tensor], output: Tensor) -> None:
    """Check types and scales of an operator whose first input is there."""
    types = [item.dtype for item in inputs]
    if not operator.types_fit(types, output.dtype):
        raise Malformed(f"takes {', '.join(types)} and gives {output.dtype}")
    # A cast moves numbers alone, so its tensors need no scales.
    if operator.types_fit is _casts:
        return
    for item in (inputs[0], output):
        if item.dtype in ("int8", "int16") and item.scales.count != 1:
            raise Malformed(f"has a tensor of {item.dtype} with {item.scales.count} scales")
    if not output.scales.count:
        return
    if operator.types_fit is _has_weights:
        source, weights = inputs[0].scales, inputs[1].scales
        _check_factors(source.least * weights.least, source.greatest * weights.greatest, output)
    elif operator.types_fit is _are_same:
        scaled = [item.scales for item in inputs if item.scales.count]
        if scaled:
            _check_factors(min(item.least for item in scaled), max(item.greatest for item in scaled), output)


def _check_factors(least: float, greatest: float, output: Tensor) -> None:
    """Check by how much the kernels multiply. A factor of 256 or more, or one that is 0, ends LiteRT's process."""
    low, high = output.scales.least, output.scales.greatest
    if not (least / high >= _LEAST_FACTOR and greatest / low <= _GREATEST_FACTOR):
        raise Malformed(f"has scales from {least:.3g} to {greatest:.3g} for one of {low:.3g}")


KNOWN = {
    0: Operator("ADD", 2, 2, BuiltinOptions.ADD, shapes.add),
    1: Operator("AVERAGE_POOL_2D", 1, 1, BuiltinOptions.POOL_2D, layers.pool),
    2: Operator("CONCATENATION", 1, MAX_INPUTS, BuiltinOptions.CONCATENATION, shapes.concatenate),
    # A quantised convolution without a bias ends LiteRT's process; other layers may say by -1 that they have none.
    3: Operator("CONV_2D", 3, 3, BuiltinOptions.CONV_2D, layers.convolve, _has_weights),
    4: Operator("DEPTHWISE_CONV_2D", 3, 3, BuiltinOptions.DEPTHWISE_CONV_2D, layers.convolve_depthwise, _has_weights),
    6: Operator("DEQUANTIZE", 1, 1, BuiltinOptions.DEQUANTIZE, shapes.keep, _dequantizes),
    9: Operator("FULLY_CONNECTED", 2, 3, BuiltinOptions.FULLY_CONNECTED, layers.fully_connect, _has_weights),
    14: Operator("LOGISTIC", 1, 1, BuiltinOptions.NONE, shapes.keep),
    17: Operator("MAX_POOL_2D", 1, 1, BuiltinOptions.POOL_2D, layers.pool),
    18: Operator("MUL", 2, 2, BuiltinOptions.MUL, shapes.add),
    19: Operator("RELU", 1, 1, BuiltinOptions.NONE, shapes.keep),
    21: Operator("RELU6", 1, 1, BuiltinOptions.NONE, shapes.keep),
    22: Operator("RESHAPE", 1, 2, BuiltinOptions.RESHAPE, shapes.reshape, _keeps_first),
    23: Operator("RESIZE_BILINEAR", 2, 2, BuiltinOptions.RESIZE_BILINEAR, shapes.resize, _keeps_first),
    25: Operator("SOFTMAX", 1, 1, BuiltinOptions.SOFTMAX, shapes.softmax),
    34: Operator("PAD", 2, 2, BuiltinOptions.PAD, shapes.pad, _keeps_first),
    39: Operator("TRANSPOSE", 2, 2, BuiltinOptions.TRANSPOSE, shapes.transpose, _keeps_first),
    40: Operator("MEAN", 2, 2, BuiltinOptions.REDUCER, shapes.reduce, _keeps_first),
    41: Operator("SUB", 2, 2, BuiltinOptions.SUB, shapes.add),
    42: Operator("DIV", 2, 2, BuiltinOptions.DIV, shapes.add),
    45: Operator("STRIDED_SLICE", 4, 4, BuiltinOptions.STRIDED_SLICE, shapes.slice_strided, _keeps_first),
    53: Operator("CAST", 1, 1, BuiltinOptions.CAST, shapes.keep, _casts),
    55: Operator("MAXIMUM", 2, 2, BuiltinOptions.MAXIMUM_MINIMUM, shapes.broadcast),
    57: Operator("MINIMUM", 2, 2, BuiltinOptions.MAXIMUM_MINIMUM, shapes.broadcast),
    61: Operator("GREATER", 2, 2, BuiltinOptions.GREATER, shapes.broadcast, _compares),
    62: Operator("GREATER_EQUAL", 2, 2, BuiltinOptions.GREATER_EQUAL, shapes.broadcast, _compares),
    74: Operator("SUM", 2, 2, BuiltinOptions.REDUCER, shapes.reduce, _keeps_first),
    75: Operator("SQRT", 1, 1, BuiltinOptions.NONE, shapes.keep),
    82: Operator("REDUCE_MAX", 2, 2, BuiltinOptions.REDUCER, shapes.reduce, _keeps_first),
    114: Operator("QUANTIZE", 1, 1, BuiltinOptions.QUANTIZE, shapes.keep, _quantizes),
}
"""The operators by their number in the TFLite schema."""
