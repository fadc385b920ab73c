"""The operators a .tflite may use, and for each whether its inputs, options and outputs fit together.

LiteRT's kernels check much of this themselves, but by no means all, and what they miss ends the process. The list is
what exports of the four backbones use; control flow, state, custom code and operators whose output can be of any size
are not on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxr_edge.preflight.flatbuffer import Malformed, Table

__all__ = ["KNOWN", "MAX_INPUTS", "Operator", "Tensor", "check"]

Shape = tuple[int, ...]

MAX_INPUTS = 64
"""The most inputs that any operator may have."""

_MAX_INTEGER_BYTES = 512
_LEAST_FACTOR, _GREATEST_FACTOR = 1e-15, 200.0


@dataclass(frozen=True)
class Tensor:
    """One tensor of the graph; `values` are the bytes of a constant, None for what the graph computes.

    `scales` is how many it has, 0 for none, `scale_range` the least and greatest, and `axis` the axis they go along.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    values: npt.NDArray[np.uint8] | None
    scales: int = 0
    axis: int = 0
    scale_range: tuple[float, float] = (1.0, 1.0)

    def integers(self) -> npt.NDArray[np.int64] | None:
        """Return the values of a small integer constant, flat; None for anything else."""
        if self.values is None or self.dtype not in ("int32", "int64") or self.values.nbytes > _MAX_INTEGER_BYTES:
            return None
        return np.frombuffer(self.values.tobytes(), "<i4" if self.dtype == "int32" else "<i8").astype(np.int64)


@dataclass(frozen=True)
class Operator:
    """One kind of operator: how many inputs it takes, which table its options are (0 for any), and its rule.

    The rule gets the options and the inputs and returns the shape that the output must have; it raises Malformed.
    """

    name: str
    fewest: int
    most: int
    options: int
    rule: Callable[[Table | None, Sequence[Tensor | None]], Shape]
    types: str = "same"


def check(
    operator: Operator, where: str, table: Table, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]
) -> None:
    """Raise Malformed unless the operator stored in `table` fits its tensors; `where` names it in the error."""
    kind, options = table.number(3, "B"), table.table(4)
    if kind not in (0, operator.options) or (options is None) != (kind == 0):
        raise Malformed(f"{where} has the options of another operator")
    if not operator.fewest <= len(inputs) <= operator.most or len(outputs) != 1:
        raise Malformed(f"{where} has {len(inputs)} inputs and {len(outputs)} outputs")
    if any(item is None for item in inputs[: operator.fewest]):
        raise Malformed(f"{where} lacks an input")
    try:
        wanted = operator.rule(options, inputs)
        _check_types(operator, inputs, outputs[0])
    except Malformed as error:
        raise Malformed(f"{where} {error}") from error
    if outputs[0].shape != wanted:
        raise Malformed(f"{where} gives shape {outputs[0].shape} where its inputs make {wanted}")


def _need(item: Tensor | None) -> Tensor:
    if item is None:
        raise Malformed("lacks an input")
    return item


def _check_types(operator: Operator, inputs: Sequence[Tensor | None], output: Tensor) -> None:
    first, *others = (item.dtype for item in inputs if item is not None)
    plain = first != "bool"
    fits: dict[str, bool] = {
        "same": plain and {first, *others} == {output.dtype},
        "first": plain and first == output.dtype and set(others) <= {"int32"},
        "compare": plain and {first, *others} == {first} and output.dtype == "bool",
        "cast": True,
        "quantize": first in ("float32", "int8", "int16") and output.dtype in ("int8", "int16", "uint8"),
        "dequantize": first in ("float16", "int8", "int16", "uint8") and output.dtype == "float32",
        "weights": first == output.dtype and tuple(others) in _WEIGHTS.get(first, ()),
    }
    if not fits[operator.types]:
        raise Malformed(f"takes {', '.join([first, *others])} and gives {output.dtype}")
    # A cast moves numbers alone, so its tensors need no scales.
    for item in (_need(inputs[0]), output) if operator.types != "cast" else ():
        if item.dtype in ("int8", "int16") and item.scales != 1:
            raise Malformed(f"has a tensor of {item.dtype} with {item.scales} scales")
    if output.scales and operator.types in ("same", "weights"):
        _check_scales(operator, [item for item in inputs if item is not None and item.scales], output)


def _check_scales(operator: Operator, inputs: Sequence[Tensor], output: Tensor) -> None:
    """Check by how much the kernels multiply. A factor of 256 or more, or one that is 0, ends LiteRT's process."""
    low, high = output.scale_range
    if operator.types == "weights":
        factors = [inputs[0].scale_range[end] * inputs[1].scale_range[end] for end in (0, 1)]
    else:
        factors = [scale for item in inputs for scale in item.scale_range]
    if factors and not (min(factors) / high >= _LEAST_FACTOR and max(factors) / low <= _GREATEST_FACTOR):
        raise Malformed(f"has scales from {min(factors):.3g} to {max(factors):.3g} for one of {low:.3g}")


_WEIGHTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "float32": (("float32",), ("float32", "float32"), ("int8",), ("int8", "float32")),
    "int8": (("int8",), ("int8", "int32")),
    "int16": (("int8",), ("int8", "int32"), ("int8", "int64")),
}


def _option(options: Table | None, field: int, kind: str, low: int, high: int, default: int = 0) -> int:
    value = default if options is None else options.number(field, kind, default)
    if not low <= value <= high:
        raise Malformed(f"has an option {field} of {value}")
    return value


def _unary(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    return _need(inputs[0]).shape


def _softmax(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    if not 1 <= len(_need(inputs[0]).shape) <= 4:
        raise Malformed(f"takes a tensor of {len(_need(inputs[0]).shape)} sides")
    return _need(inputs[0]).shape


def _broadcast(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    shapes = [_need(item).shape for item in inputs]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise Malformed(f"takes shapes that do not fit, {shapes[0]} and {shapes[1]}") from error


def _check_activation(options: Table | None, field: int) -> None:
    _option(options, field, "b", 0, 5)


def _add(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    _check_activation(options, 0)
    return _broadcast(options, inputs)


def _window(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    """Return how many places a window has along a side; padding 0 is SAME, 1 VALID."""
    span = (kernel - 1) * dilation + 1
    if padding == 1 and span > size:
        raise Malformed(f"has a window of {span} on a side of {size}")
    return -(-size // stride) if padding == 0 else (size - span) // stride + 1


def _slide(options: Table | None, source: Shape, kernel: Sequence[int], dilations: tuple[int, int]) -> tuple[int, int]:
    padding = _option(options, 0, "b", 0, 1)
    across, down = (_option(options, field, "i", 1, 1024) for field in (1, 2))
    dilation_w, dilation_h = (_option(options, field, "i", 1, 1024, 1) if field else 1 for field in dilations)
    return (
        _window(source[1], kernel[0], down, dilation_h, padding),
        _window(source[2], kernel[1], across, dilation_w, padding),
    )


def _check_layer(inputs: Sequence[Tensor | None], channels: int, axis: int) -> None:
    """Check the scales of a layer's weights, one or one for each of its `channels`, and its bias."""
    if len(inputs) != 3:
        raise Malformed("has no place for a bias")
    weights, bias = _need(inputs[1]), inputs[2]
    if bias is not None and bias.shape != (channels,):
        raise Malformed(f"has {channels} channels and a bias of shape {bias.shape}")
    many = weights.scales == channels and (weights.axis == axis or channels == 1)
    if weights.dtype == "int8" and not (many or weights.scales == 1):
        raise Malformed(f"has {weights.scales} scales for {channels} channels")
    if bias is not None and bias.scales not in (0, 1, channels):
        raise Malformed(f"has {bias.scales} scales for a bias of {channels}")


def _conv(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    source, weights = _need(inputs[0]).shape, _need(inputs[1]).shape
    if len(source) != 4 or len(weights) != 4 or weights[3] != source[3]:
        raise Malformed(f"takes shapes that do not fit, {source} and {weights}")
    _check_activation(options, 3)
    _check_layer(inputs, weights[0], 0)
    return (source[0], *_slide(options, source, weights[1:3], (4, 5)), weights[0])


def _depthwise(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    source, weights = _need(inputs[0]).shape, _need(inputs[1]).shape
    if len(source) != 4 or len(weights) != 4 or weights[0] != 1 or weights[3] % source[3]:
        raise Malformed(f"takes shapes that do not fit, {source} and {weights}")
    _option(options, 3, "i", weights[3] // source[3], weights[3] // source[3])
    _check_activation(options, 4)
    _check_layer(inputs, weights[3], 3)
    return (source[0], *_slide(options, source, weights[1:3], (5, 6)), weights[3])


def _pool(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    source = _need(inputs[0]).shape
    if len(source) != 4:
        raise Malformed(f"takes a tensor of {len(source)} sides")
    _check_activation(options, 5)
    kernel = [_option(options, field, "i", 1, 1024) for field in (4, 3)]
    return (source[0], *_slide(options, source, kernel, (0, 0)), source[3])


def _dense(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    source, weights = _need(inputs[0]).shape, _need(inputs[1]).shape
    if len(weights) != 2 or not source or math.prod(source) % weights[1]:
        raise Malformed(f"takes shapes that do not fit, {source} and {weights}")
    _check_activation(options, 0)
    _option(options, 1, "b", 0, 0)
    _check_layer(inputs, weights[0], 0)
    if _option(options, 2, "B", 0, 1):
        if source[-1] != weights[1]:
            raise Malformed(f"takes shapes that do not fit, {source} and {weights}")
        return (*source[:-1], weights[0])
    return (math.prod(source) // weights[1], weights[0])


def _constant(item: Tensor | None, what: str, count: int | None = None) -> list[int]:
    values = _need(item).integers()
    if values is None or (count is not None and values.size != count):
        raise Malformed(f"has {what} that are not stored, or not {count}")
    found: list[int] = values.tolist()
    return found


def _reduce(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    source = _need(inputs[0]).shape
    axes = _constant(inputs[1], "axes")
    if not axes or not all(-len(source) <= axis < len(source) for axis in axes):
        raise Malformed(f"has the axes {axes} on {len(source)} sides")
    gone = {axis % len(source) for axis in axes}
    if _option(options, 0, "B", 0, 1):
        return tuple(1 if axis in gone else side for axis, side in enumerate(source))
    return tuple(side for axis, side in enumerate(source) if axis not in gone)


def _reshape(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    source = _need(inputs[0]).shape
    stored = None if options is None else options.numbers(0, "<i4")
    wanted = (stored.tolist() if stored is not None else []) if len(inputs) < 2 else _constant(inputs[1], "sides")
    known = math.prod(side for side in wanted if side != -1)
    if wanted.count(-1) > 1 or any(side < -1 for side in wanted) or not known or math.prod(source) % known:
        raise Malformed(f"makes {wanted} of {source}")
    shape = tuple(math.prod(source) // known if side == -1 else side for side in wanted)
    if math.prod(shape) != math.prod(source):
        raise Malformed(f"makes {wanted} of {source}")
    return shape


def _strided_slice(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    source = _need(inputs[0]).shape
    begin, end, steps = (_constant(item, "places", len(source)) for item in inputs[1:4])
    begin_mask, end_mask = (_option(options, field, "i", 0, (1 << len(source)) - 1) for field in (0, 1))
    shrink = _option(options, 4, "i", 0, (1 << len(source)) - 1)
    # An ellipsis, a new axis and ends that count from the start are not used by any export.
    for field, kind in ((2, "i"), (3, "i"), (5, "B")):
        _option(options, field, kind, 0, 0)
    shape = []
    for axis, side in enumerate(source):
        if steps[axis] < 1:
            raise Malformed(f"has a step of {steps[axis]}")
        if shrink >> axis & 1:
            if not -side <= begin[axis] < side or steps[axis] != 1:
                raise Malformed(f"takes place {begin[axis]} of {side}")
            continue
        first, last, step = slice(
            None if begin_mask >> axis & 1 else begin[axis], None if end_mask >> axis & 1 else end[axis], steps[axis]
        ).indices(side)
        shape.append(len(range(first, last, step)))
    return tuple(shape)


def _pad(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    source, margins = _need(inputs[0]).shape, _need(inputs[1])
    if margins.shape != (len(source), 2) or len(source) > 5:
        raise Malformed(f"has margins of shape {margins.shape} for {source}")
    widths = _constant(margins, "margins")
    if not all(0 <= width <= 1024 for width in widths):
        raise Malformed(f"has the margins {widths}")
    return tuple(side + widths[2 * axis] + widths[2 * axis + 1] for axis, side in enumerate(source))


def _resize(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    source = _need(inputs[0]).shape
    height, width = _constant(inputs[1], "sides", 2)
    if len(source) != 4 or not (0 < height <= 1024 and 0 < width <= 1024):
        raise Malformed(f"makes {height} x {width} of {source}")
    align, halves = (_option(options, field, "B", 0, 1) for field in (2, 3))
    if align and halves:
        raise Malformed("has options that contradict each other")
    return (source[0], height, width, source[3])


def _concatenate(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    shapes = [_need(item).shape for item in inputs]
    axis = _option(options, 0, "i", -len(shapes[0]), len(shapes[0]) - 1)
    _option(options, 1, "b", 0, 0)
    axis %= max(len(shapes[0]), 1)
    rests = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(rests) != 1 or len({len(shape) for shape in shapes}) != 1 or not shapes[0]:
        raise Malformed(f"joins shapes that do not fit, {shapes}")
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def _transpose(options: Table | None, inputs: Sequence[Tensor | None]) -> Shape:
    source = _need(inputs[0]).shape
    order = _constant(inputs[1], "axes", len(source))
    if sorted(order) != list(range(len(source))):
        raise Malformed(f"has the axes {order} on {len(source)} sides")
    return tuple(source[axis] for axis in order)


KNOWN = {
    0: Operator("ADD", 2, 2, 11, _add),
    1: Operator("AVERAGE_POOL_2D", 1, 1, 5, _pool),
    2: Operator("CONCATENATION", 1, MAX_INPUTS, 10, _concatenate),
    # A quantised convolution without a bias ends LiteRT's process; other layers may say by -1 that they have none.
    3: Operator("CONV_2D", 3, 3, 1, _conv, "weights"),
    4: Operator("DEPTHWISE_CONV_2D", 3, 3, 2, _depthwise, "weights"),
    6: Operator("DEQUANTIZE", 1, 1, 38, _unary, "dequantize"),
    9: Operator("FULLY_CONNECTED", 2, 3, 8, _dense, "weights"),
    14: Operator("LOGISTIC", 1, 1, 0, _unary),
    17: Operator("MAX_POOL_2D", 1, 1, 5, _pool),
    18: Operator("MUL", 2, 2, 21, _add),
    19: Operator("RELU", 1, 1, 0, _unary),
    21: Operator("RELU6", 1, 1, 0, _unary),
    22: Operator("RESHAPE", 1, 2, 17, _reshape, "first"),
    23: Operator("RESIZE_BILINEAR", 2, 2, 15, _resize, "first"),
    25: Operator("SOFTMAX", 1, 1, 9, _softmax),
    34: Operator("PAD", 2, 2, 22, _pad, "first"),
    39: Operator("TRANSPOSE", 2, 2, 26, _transpose, "first"),
    40: Operator("MEAN", 2, 2, 27, _reduce, "first"),
    41: Operator("SUB", 2, 2, 28, _add),
    42: Operator("DIV", 2, 2, 29, _add),
    45: Operator("STRIDED_SLICE", 4, 4, 32, _strided_slice, "first"),
    53: Operator("CAST", 1, 1, 37, _unary, "cast"),
    55: Operator("MAXIMUM", 2, 2, 39, _broadcast),
    57: Operator("MINIMUM", 2, 2, 39, _broadcast),
    61: Operator("GREATER", 2, 2, 44, _broadcast, "compare"),
    62: Operator("GREATER_EQUAL", 2, 2, 45, _broadcast, "compare"),
    74: Operator("SUM", 2, 2, 27, _reduce, "first"),
    75: Operator("SQRT", 1, 1, 0, _unary),
    82: Operator("REDUCE_MAX", 2, 2, 27, _reduce, "first"),
    114: Operator("QUANTIZE", 1, 1, 89, _unary, "quantize"),
}
"""The operators by their number in the TFLite schema."""
