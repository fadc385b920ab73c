"""For each operator of a .tflite file: the shape of its output, by its options and inputs.

A rule gets the options, None where all have their defaults, and the inputs. It returns the shape that the output must
have, and raises Malformed where options and inputs do not fit together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from cxr_edge.preflight.flatbuffer import Malformed, Table
from cxr_edge.preflight.tflite.schema import (
    ConcatenationField,
    ElementwiseField,
    ReducerField,
    ReshapeField,
    ResizeBilinearField,
    StridedSliceField,
)
from cxr_edge.preflight.tflite.tensor import Shape, Tensor

__all__ = [
    "Inputs",
    "ShapeRule",
    "add",
    "broadcast",
    "check_activation",
    "concatenate",
    "keep",
    "need",
    "pad",
    "read_flag",
    "read_option",
    "reduce",
    "reshape",
    "resize",
    "slice_strided",
    "softmax",
    "transpose",
]

Inputs = Sequence[Tensor | None]
"""The inputs of an operator; one that it leaves out is None."""

ShapeRule = Callable[[Table | None, Inputs], Shape]

_MAX_MARGIN = 1024
_MAX_SIDE = 1024
_LAST_ACTIVATION = 5


def need(item: Tensor | None) -> Tensor:
    """Return the input. Raises Malformed where it is left out."""
    if item is None:
        raise Malformed("lacks an input")
    return item


def keep(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape of the first input."""
    return need(inputs[0]).shape


def softmax(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape of the input, which has up to four sides."""
    source = need(inputs[0]).shape
    if not 1 <= len(source) <= 4:
        raise Malformed(f"takes a tensor of {len(source)} sides")
    return source


def broadcast(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape that the inputs have together."""
    shapes = [need(item).shape for item in inputs]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise Malformed(f"takes shapes that do not fit, {shapes[0]} and {shapes[1]}") from error


def add(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape of ADD, MUL, SUB and DIV, which may apply an activation."""
    check_activation(options, ElementwiseField.FUSED_ACTIVATION_FUNCTION)
    return broadcast(options, inputs)


def reduce(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape that is left of the first input after the axes of the second one are reduced."""
    source = need(inputs[0]).shape
    axes = _read_constant(inputs[1], "axes")
    if not axes or not all(-len(source) <= axis < len(source) for axis in axes):
        raise Malformed(f"has the axes {axes} on {len(source)} sides")
    gone = {axis % len(source) for axis in axes}
    if read_flag(options, ReducerField.KEEP_DIMS):
        return tuple(1 if axis in gone else side for axis, side in enumerate(source))
    return tuple(side for axis, side in enumerate(source) if axis not in gone)


def reshape(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape that the second input or the options state, in which one side may be -1."""
    source = need(inputs[0]).shape
    wanted = _read_new_shape(options) if len(inputs) < 2 else _read_constant(inputs[1], "sides")
    known = math.prod(side for side in wanted if side != -1)
    if wanted.count(-1) > 1 or any(side < -1 for side in wanted) or not known or math.prod(source) % known:
        raise Malformed(f"makes {wanted} of {source}")
    shape = tuple(math.prod(source) // known if side == -1 else side for side in wanted)
    if math.prod(shape) != math.prod(source):
        raise Malformed(f"makes {wanted} of {source}")
    return shape


def slice_strided(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape of a slice; begins, ends and steps have one number for each side of the first input."""
    source = need(inputs[0]).shape
    begin = _read_constant(inputs[1], "places", len(source))
    end = _read_constant(inputs[2], "places", len(source))
    steps = _read_constant(inputs[3], "places", len(source))
    all_axes = (1 << len(source)) - 1
    begin_mask = read_option(options, StridedSliceField.BEGIN_MASK, "i", 0, all_axes)
    end_mask = read_option(options, StridedSliceField.END_MASK, "i", 0, all_axes)
    shrink_mask = read_option(options, StridedSliceField.SHRINK_AXIS_MASK, "i", 0, all_axes)
    # An ellipsis, a new axis and ends that count from the start are not used by any export.
    read_option(options, StridedSliceField.ELLIPSIS_MASK, "i", 0, 0)
    read_option(options, StridedSliceField.NEW_AXIS_MASK, "i", 0, 0)
    read_option(options, StridedSliceField.OFFSET, "B", 0, 0)
    shape = []
    for axis, side in enumerate(source):
        if steps[axis] < 1:
            raise Malformed(f"has a step of {steps[axis]}")
        if shrink_mask >> axis & 1:
            if not -side <= begin[axis] < side or steps[axis] != 1:
                raise Malformed(f"takes place {begin[axis]} of {side}")
            continue
        first = None if begin_mask >> axis & 1 else begin[axis]
        last = None if end_mask >> axis & 1 else end[axis]
        shape.append(len(range(side)[first : last : steps[axis]]))
    return tuple(shape)


def pad(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape with margins, of which the second input has two for each side."""
    source, margins = need(inputs[0]).shape, need(inputs[1])
    if margins.shape != (len(source), 2) or len(source) > 5:
        raise Malformed(f"has margins of shape {margins.shape} for {source}")
    widths = _read_constant(margins, "margins")
    if not all(0 <= width <= _MAX_MARGIN for width in widths):
        raise Malformed(f"has the margins {widths}")
    return tuple(side + widths[2 * axis] + widths[2 * axis + 1] for axis, side in enumerate(source))


def resize(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape with the height and width that the second input states."""
    source = need(inputs[0]).shape
    height, width = _read_constant(inputs[1], "sides", 2)
    if len(source) != 4 or not (0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE):
        raise Malformed(f"makes {height} x {width} of {source}")
    align_corners = read_flag(options, ResizeBilinearField.ALIGN_CORNERS)
    half_pixel_centers = read_flag(options, ResizeBilinearField.HALF_PIXEL_CENTERS)
    if align_corners and half_pixel_centers:
        raise Malformed("has options that contradict each other")
    return (source[0], height, width, source[3])


def concatenate(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape of the inputs joined along an axis."""
    shapes = [need(item).shape for item in inputs]
    rank = len(shapes[0])
    axis = read_option(options, ConcatenationField.AXIS, "i", -rank, rank - 1)
    read_option(options, ConcatenationField.FUSED_ACTIVATION_FUNCTION, "b", 0, 0)
    axis %= max(rank, 1)
    rests = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(rests) != 1 or len({len(shape) for shape in shapes}) != 1 or not shapes[0]:
        raise Malformed(f"joins shapes that do not fit, {shapes}")
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def transpose(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape with its sides in the order of the second input."""
    source = need(inputs[0]).shape
    order = _read_constant(inputs[1], "axes", len(source))
    if sorted(order) != list(range(len(source))):
        raise Malformed(f"has the axes {order} on {len(source)} sides")
    return tuple(source[axis] for axis in order)


def read_option(options: Table | None, field: int, kind: str, low: int, high: int, default: int = 0) -> int:
    """Return an option, of the struct letter `kind`. Raises Malformed where it is not from `low` to `high`."""
    value = default if options is None else options.number(field, kind, default)
    if not low <= value <= high:
        raise Malformed(f"has an option {field} of {value}")
    return value


def read_flag(options: Table | None, field: int) -> bool:
    """Return an option that is true or false. Raises Malformed where it is neither."""
    return read_option(options, field, "B", 0, 1) == 1


def check_activation(options: Table | None, field: int) -> None:
    """Raise Malformed unless the option is an activation of the schema."""
    read_option(options, field, "b", 0, _LAST_ACTIVATION)


def _read_constant(item: Tensor | None, what: str, count: int | None = None) -> list[int]:
    values = need(item).integers()
    if values is None or (count is not None and values.size != count):
        raise Malformed(f"has {what} that are not stored, or not {count}")
    found: list[int] = values.tolist()
    return found


def _read_new_shape(options: Table | None) -> list[int]:
    stored = None if options is None else options.numbers(ReshapeField.NEW_SHAPE, "<i4")
    wanted: list[int] = [] if stored is None else stored.tolist()
    return wanted
