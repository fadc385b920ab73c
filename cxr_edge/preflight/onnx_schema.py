"""The fields that each message of an .onnx file may have, its element types and its operators.

Numbers and names are those of onnx.proto. A field that is not listed here is refused, so functions, training graphs,
sub-graphs (If, Loop, Scan), sparse tensors and devices cannot come in by a way that nobody thought of.
"""

from __future__ import annotations

from dataclasses import dataclass

from cxr_edge.preflight.protobuf import Schema

__all__ = [
    "ATTRIBUTE",
    "DIMENSION",
    "ELEMENT_TYPES",
    "GRAPH",
    "MODEL",
    "NODE",
    "OPERATORS",
    "OPERATOR_SET",
    "SHAPE",
    "TENSOR",
    "TENSOR_TYPE",
    "TYPE",
    "VALUE_BYTES",
    "VALUE_INFO",
    "ElementType",
]

MODEL: Schema = {
    1: ("ir_version", "v"),
    2: ("producer_name", "b"),
    3: ("producer_version", "b"),
    4: ("domain", "b"),
    5: ("model_version", "v"),
    6: ("doc_string", "b"),
    7: ("graph", "b"),
    8: ("opset_import", "b*"),
    14: ("metadata_props", "b*"),
}
GRAPH: Schema = {
    1: ("node", "b*"),
    2: ("name", "b"),
    5: ("initializer", "b*"),
    10: ("doc_string", "b"),
    11: ("input", "b*"),
    12: ("output", "b*"),
    13: ("value_info", "b*"),
    16: ("metadata_props", "b*"),
}
NODE: Schema = {
    1: ("input", "b*"),
    2: ("output", "b*"),
    3: ("name", "b"),
    4: ("op_type", "b"),
    5: ("attribute", "b*"),
    6: ("doc_string", "b"),
    7: ("domain", "b"),
    9: ("metadata_props", "b*"),
}
# No graphs (6, 11), types (14, 15), sparse tensors (22, 23) or references into functions (21).
ATTRIBUTE: Schema = {
    1: ("name", "b"),
    2: ("f", "4"),
    3: ("i", "v"),
    4: ("s", "b"),
    5: ("t", "b"),
    7: ("floats", "4b*"),
    8: ("ints", "vb*"),
    9: ("strings", "b*"),
    13: ("doc_string", "b"),
    20: ("type", "v"),
}
# external_data (13) is not in the list; data_location (14) may be there and must be 0.
TENSOR: Schema = {
    1: ("dims", "vb*"),
    2: ("data_type", "v"),
    4: ("float_data", "4b*"),
    5: ("int32_data", "vb*"),
    7: ("int64_data", "vb*"),
    8: ("name", "b"),
    9: ("raw_data", "b"),
    10: ("double_data", "8b*"),
    11: ("uint64_data", "vb*"),
    12: ("doc_string", "b"),
    14: ("data_location", "v"),
}
VALUE_INFO: Schema = {1: ("name", "b"), 2: ("type", "b"), 3: ("doc_string", "b")}
TYPE: Schema = {1: ("tensor_type", "b"), 6: ("denotation", "b")}
TENSOR_TYPE: Schema = {1: ("elem_type", "v"), 2: ("shape", "b")}
SHAPE: Schema = {1: ("dim", "b*")}
DIMENSION: Schema = {1: ("dim_value", "v"), 2: ("dim_param", "b"), 3: ("denotation", "b")}
OPERATOR_SET: Schema = {1: ("domain", "b"), 2: ("version", "v")}


@dataclass(frozen=True)
class ElementType:
    """An element type, and the field of a TensorProto that holds its values where raw_data does not."""

    name: str
    size_bytes: int
    field: str


ELEMENT_TYPES = {
    1: ElementType("float32", 4, "float_data"),
    2: ElementType("uint8", 1, "int32_data"),
    3: ElementType("int8", 1, "int32_data"),
    6: ElementType("int32", 4, "int32_data"),
    7: ElementType("int64", 8, "int64_data"),
    9: ElementType("bool", 1, "int32_data"),
    10: ElementType("float16", 2, "int32_data"),
}
"""The element types that exports use, by their number."""

VALUE_BYTES = {"float_data": 4, "int32_data": None, "int64_data": None, "double_data": 8, "uint64_data": None}
"""The fields of a TensorProto that hold values, and the bytes of one; None for varints."""

OPERATORS = {
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Conv",
    "DequantizeLinear",
    "Div",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "Greater",
    "GreaterOrEqual",
    "Identity",
    "MatMul",
    "Max",
    "MaxPool",
    "Min",
    "Mul",
    "Pad",
    "Pow",
    "QuantizeLinear",
    "ReduceMax",
    "ReduceMean",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Resize",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
}
"""What exports of the four backbones use. None runs a subgraph. Only Pad and Resize can enlarge their input."""
