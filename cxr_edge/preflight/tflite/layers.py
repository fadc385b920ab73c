"""The layers of a .tflite file: the shape that a convolution, a pooling or a dense layer gives.

Rules are as in shapes.py. A layer's weights and bias are checked as well, since LiteRT's kernels trust their scales.
"""

from __future__ import annotations

import math

from cxr_edge.preflight.flatbuffer import Malformed, Table
from cxr_edge.preflight.tflite.schema import (
    Conv2DField,
    DepthwiseConv2DField,
    FullyConnectedField,
    Padding,
    Pool2DField,
    SlidingWindowField,
)
from cxr_edge.preflight.tflite.shapes import Inputs, check_activation, need, read_flag, read_option
from cxr_edge.preflight.tflite.tensor import Shape

__all__ = ["convolve", "convolve_depthwise", "fully_connect", "pool"]

_MAX_WINDOW = 1024


def convolve(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape of a convolution; weights are (channels, height, width, source channels)."""
    source, weights = need(inputs[0]).shape, need(inputs[1]).shape
    if len(source) != 4 or len(weights) != 4 or weights[3] != source[3]:
        raise Malformed(f"takes shapes that do not fit, {source} and {weights}")
    channels, kernel_h, kernel_w, _ = weights
    check_activation(options, Conv2DField.FUSED_ACTIVATION_FUNCTION)
    _check_layer(inputs, channels, 0)
    height, width = _slide(
        options, source, (kernel_h, kernel_w), Conv2DField.DILATION_H_FACTOR, Conv2DField.DILATION_W_FACTOR
    )
    return (source[0], height, width, channels)


def convolve_depthwise(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape of a convolution of each channel by itself; weights are (1, height, width, channels)."""
    source, weights = need(inputs[0]).shape, need(inputs[1]).shape
    if len(source) != 4 or len(weights) != 4 or weights[0] != 1 or weights[3] % source[3]:
        raise Malformed(f"takes shapes that do not fit, {source} and {weights}")
    _, kernel_h, kernel_w, channels = weights
    multiplier = channels // source[3]
    read_option(options, DepthwiseConv2DField.DEPTH_MULTIPLIER, "i", multiplier, multiplier)
    check_activation(options, DepthwiseConv2DField.FUSED_ACTIVATION_FUNCTION)
    _check_layer(inputs, channels, 3)
    height, width = _slide(
        options,
        source,
        (kernel_h, kernel_w),
        DepthwiseConv2DField.DILATION_H_FACTOR,
        DepthwiseConv2DField.DILATION_W_FACTOR,
    )
    return (source[0], height, width, channels)


def pool(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape of a pooling."""
    source = need(inputs[0]).shape
    if len(source) != 4:
        raise Malformed(f"takes a tensor of {len(source)} sides")
    check_activation(options, Pool2DField.FUSED_ACTIVATION_FUNCTION)
    kernel_h = read_option(options, Pool2DField.FILTER_HEIGHT, "i", 1, _MAX_WINDOW)
    kernel_w = read_option(options, Pool2DField.FILTER_WIDTH, "i", 1, _MAX_WINDOW)
    height, width = _slide(options, source, (kernel_h, kernel_w))
    return (source[0], height, width, source[3])


def fully_connect(options: Table | None, inputs: Inputs) -> Shape:
    """Return the shape of a dense layer; weights are (channels, features)."""
    source, weights = need(inputs[0]).shape, need(inputs[1]).shape
    if len(weights) != 2 or not source or math.prod(source) % weights[1]:
        raise Malformed(f"takes shapes that do not fit, {source} and {weights}")
    channels, features = weights
    check_activation(options, FullyConnectedField.FUSED_ACTIVATION_FUNCTION)
    read_option(options, FullyConnectedField.WEIGHTS_FORMAT, "b", 0, 0)
    _check_layer(inputs, channels, 0)
    if not read_flag(options, FullyConnectedField.KEEP_NUM_DIMS):
        return (math.prod(source) // features, channels)
    if source[-1] != features:
        raise Malformed(f"takes shapes that do not fit, {source} and {weights}")
    return (*source[:-1], channels)


def _slide(
    options: Table | None,
    source: Shape,
    kernel: tuple[int, int],
    dilation_h_field: int | None = None,
    dilation_w_field: int | None = None,
) -> tuple[int, int]:
    """Return height and width of what a window of `kernel` (height, width) makes; a pooling has no dilation."""
    padding = read_option(options, SlidingWindowField.PADDING, "b", Padding.SAME, Padding.VALID)
    stride_w = read_option(options, SlidingWindowField.STRIDE_W, "i", 1, _MAX_WINDOW)
    stride_h = read_option(options, SlidingWindowField.STRIDE_H, "i", 1, _MAX_WINDOW)
    dilation_w = _read_dilation(options, dilation_w_field)
    dilation_h = _read_dilation(options, dilation_h_field)
    return (
        _count_places(source[1], kernel[0], stride_h, dilation_h, padding),
        _count_places(source[2], kernel[1], stride_w, dilation_w, padding),
    )


def _read_dilation(options: Table | None, field: int | None) -> int:
    return 1 if field is None else read_option(options, field, "i", 1, _MAX_WINDOW, default=1)


def _count_places(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    """Return how many places a window has along a side."""
    span = (kernel - 1) * dilation + 1
    if padding == Padding.SAME:
        return -(-size // stride)
    if span > size:
        raise Malformed(f"has a window of {span} on a side of {size}")
    return (size - span) // stride + 1


def _check_layer(inputs: Inputs, channels: int, axis: int) -> None:
    """Check the scales of a layer's weights, one or one for each of its `channels`, and its bias."""
    if len(inputs) != 3:
        raise Malformed("has no place for a bias")
    weights, bias = need(inputs[1]), inputs[2]
    if bias is not None and bias.shape != (channels,):
        raise Malformed(f"has {channels} channels and a bias of shape {bias.shape}")
    per_channel = weights.scales.count == channels and (weights.scales.axis == axis or channels == 1)
    if weights.dtype == "int8" and not (per_channel or weights.scales.count == 1):
        raise Malformed(f"has {weights.scales.count} scales for {channels} channels")
    if bias is not None and bias.scales.count not in (0, 1, channels):
        raise Malformed(f"has {bias.scales.count} scales for a bias of {channels}")
