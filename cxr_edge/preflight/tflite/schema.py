"""The numbers of the public TFLite schema that the checks need: fields, in the order of the schema, and enumerations.

The schema is tensorflow/compiler/mlir/lite/schema/schema.fbs of TensorFlow, version 3. What the checks neither read
nor refuse is not listed.
"""

from __future__ import annotations

__all__ = [
    "BufferField",
    "ConcatenationField",
    "Conv2DField",
    "DepthwiseConv2DField",
    "ElementwiseField",
    "FullyConnectedField",
    "MetadataField",
    "ModelField",
    "OperatorCodeField",
    "OperatorField",
    "Padding",
    "Pool2DField",
    "QuantizationField",
    "ReducerField",
    "ReshapeField",
    "ResizeBilinearField",
    "SignatureDefField",
    "SlidingWindowField",
    "StridedSliceField",
    "SubGraphField",
    "TensorField",
    "TensorMapField",
]


class ModelField:
    """Fields of Model, the root table."""

    VERSION = 0
    OPERATOR_CODES = 1
    SUBGRAPHS = 2
    BUFFERS = 4
    METADATA = 6
    SIGNATURE_DEFS = 7
    EXTERNAL_BUFFER_GROUPS = 8
    EXTERNAL_BUFFERS = 9


class OperatorCodeField:
    """Fields of OperatorCode. Codes of 127 and more are in BUILTIN_CODE alone."""

    DEPRECATED_BUILTIN_CODE = 0
    CUSTOM_CODE = 1
    BUILTIN_CODE = 3


class SubGraphField:
    """Fields of SubGraph."""

    TENSORS = 0
    INPUTS = 1
    OUTPUTS = 2
    OPERATORS = 3


class TensorField:
    """Fields of Tensor."""

    SHAPE = 0
    TYPE = 1
    BUFFER = 2
    NAME = 3
    QUANTIZATION = 4
    IS_VARIABLE = 5
    SPARSITY = 6
    SHAPE_SIGNATURE = 7
    VARIANT_TENSORS = 9
    EXTERNAL_BUFFER = 10


class QuantizationField:
    """Fields of QuantizationParameters."""

    SCALE = 2
    ZERO_POINT = 3
    DETAILS_TYPE = 4
    DETAILS = 5
    QUANTIZED_DIMENSION = 6


class OperatorField:
    """Fields of Operator."""

    OPCODE_INDEX = 0
    INPUTS = 1
    OUTPUTS = 2
    BUILTIN_OPTIONS_TYPE = 3
    BUILTIN_OPTIONS = 4
    CUSTOM_OPTIONS = 5
    INTERMEDIATES = 8
    LARGE_CUSTOM_OPTIONS_OFFSET = 9
    LARGE_CUSTOM_OPTIONS_SIZE = 10
    BUILTIN_OPTIONS_2_TYPE = 11
    BUILTIN_OPTIONS_2 = 12


class BufferField:
    """Fields of Buffer."""

    DATA = 0
    OFFSET = 1
    SIZE = 2


class MetadataField:
    """Fields of Metadata."""

    NAME = 0
    BUFFER = 1


class SignatureDefField:
    """Fields of SignatureDef."""

    INPUTS = 0
    OUTPUTS = 1
    SIGNATURE_KEY = 2
    SUBGRAPH_INDEX = 4


class TensorMapField:
    """Fields of TensorMap, an entry of a signature."""

    NAME = 0
    TENSOR_INDEX = 1


class SlidingWindowField:
    """The fields that Conv2DOptions, DepthwiseConv2DOptions and Pool2DOptions begin with."""

    PADDING = 0
    STRIDE_W = 1
    STRIDE_H = 2


class Conv2DField(SlidingWindowField):
    """Fields of Conv2DOptions."""

    FUSED_ACTIVATION_FUNCTION = 3
    DILATION_W_FACTOR = 4
    DILATION_H_FACTOR = 5


class DepthwiseConv2DField(SlidingWindowField):
    """Fields of DepthwiseConv2DOptions."""

    DEPTH_MULTIPLIER = 3
    FUSED_ACTIVATION_FUNCTION = 4
    DILATION_W_FACTOR = 5
    DILATION_H_FACTOR = 6


class Pool2DField(SlidingWindowField):
    """Fields of Pool2DOptions."""

    FILTER_WIDTH = 3
    FILTER_HEIGHT = 4
    FUSED_ACTIVATION_FUNCTION = 5


class FullyConnectedField:
    """Fields of FullyConnectedOptions."""

    FUSED_ACTIVATION_FUNCTION = 0
    WEIGHTS_FORMAT = 1
    KEEP_NUM_DIMS = 2


class ElementwiseField:
    """The field that AddOptions, MulOptions, SubOptions and DivOptions begin with."""

    FUSED_ACTIVATION_FUNCTION = 0


class ReducerField:
    """Fields of ReducerOptions."""

    KEEP_DIMS = 0


class ReshapeField:
    """Fields of ReshapeOptions."""

    NEW_SHAPE = 0


class StridedSliceField:
    """Fields of StridedSliceOptions."""

    BEGIN_MASK = 0
    END_MASK = 1
    ELLIPSIS_MASK = 2
    NEW_AXIS_MASK = 3
    SHRINK_AXIS_MASK = 4
    OFFSET = 5


class ResizeBilinearField:
    """Fields of ResizeBilinearOptions."""

    ALIGN_CORNERS = 2
    HALF_PIXEL_CENTERS = 3


class ConcatenationField:
    """Fields of ConcatenationOptions."""

    AXIS = 0
    FUSED_ACTIVATION_FUNCTION = 1


class Padding:
    """Values of the enumeration Padding."""

    SAME = 0
    VALID = 1
