"""The numbers that the checks know are those of the published schemas."""

from __future__ import annotations

import re
from pathlib import Path

import onnx
import pytest
from ai_edge_litert import schema_py_generated as generated

from cxr_edge.preflight import onnx_schema
from cxr_edge.preflight.protobuf import Schema
from cxr_edge.preflight.tflite import schema
from cxr_edge.preflight.tflite.operators import KNOWN, BuiltinOptions
from cxr_edge.preflight.tflite.tensor import DTYPES

TABLES = {
    schema.ModelField: "Model",
    schema.OperatorCodeField: "OperatorCode",
    schema.SubGraphField: "SubGraph",
    schema.TensorField: "Tensor",
    schema.QuantizationField: "QuantizationParameters",
    schema.OperatorField: "Operator",
    schema.BufferField: "Buffer",
    schema.MetadataField: "Metadata",
    schema.SignatureDefField: "SignatureDef",
    schema.TensorMapField: "TensorMap",
    schema.Conv2DField: "Conv2DOptions",
    schema.DepthwiseConv2DField: "DepthwiseConv2DOptions",
    schema.Pool2DField: "Pool2DOptions",
    schema.FullyConnectedField: "FullyConnectedOptions",
    schema.ElementwiseField: "AddOptions",
    schema.ReducerField: "ReducerOptions",
    schema.ReshapeField: "ReshapeOptions",
    schema.StridedSliceField: "StridedSliceOptions",
    schema.ResizeBilinearField: "ResizeBilinearOptions",
    schema.ConcatenationField: "ConcatenationOptions",
}


def numbers(fields: type) -> dict[str, int]:
    """Return the named numbers of a class and of what it inherits, by name without underscores."""
    found = {name: getattr(fields, name) for name in dir(fields) if name.isupper()}
    return {name.replace("_", "").lower(): value for name, value in found.items()}


def slots(table: str) -> dict[str, int]:
    """Return the fields of a table as the generated code writes them."""
    source = Path(generated.__file__).read_text(encoding="utf-8")
    found = re.findall(rf"def {table}Add(\w+)\(builder.*?Slot\((\d+)", source, re.DOTALL)
    return {name.lower(): int(slot) for name, slot in found}


@pytest.mark.parametrize(("fields", "table"), TABLES.items(), ids=TABLES.values())
def test_fields_of_a_tflite_table_have_the_numbers_of_the_schema(fields: type, table: str) -> None:
    assert numbers(fields).items() <= slots(table).items()


def test_enumerations_have_the_numbers_of_the_tflite_schema() -> None:
    options = {
        name.removesuffix("Options").lower(): value
        for name, value in vars(generated.BuiltinOptions).items()
        if isinstance(value, int)
    }
    operators = {name: value for name, value in vars(generated.BuiltinOperator).items() if isinstance(value, int)}

    assert numbers(BuiltinOptions).items() <= options.items()
    assert {item.name: number for number, item in KNOWN.items()}.items() <= operators.items()
    assert all(getattr(generated.TensorType, name.upper()) == number for number, name in DTYPES.items())
    assert (schema.Padding.SAME, schema.Padding.VALID) == (generated.Padding.SAME, generated.Padding.VALID)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (onnx_schema.MODEL, onnx.ModelProto),
        (onnx_schema.GRAPH, onnx.GraphProto),
        (onnx_schema.NODE, onnx.NodeProto),
        (onnx_schema.ATTRIBUTE, onnx.AttributeProto),
        (onnx_schema.TENSOR, onnx.TensorProto),
        (onnx_schema.VALUE_INFO, onnx.ValueInfoProto),
        (onnx_schema.TYPE, onnx.TypeProto),
        (onnx_schema.TENSOR_TYPE, onnx.TypeProto.Tensor),
        (onnx_schema.SHAPE, onnx.TensorShapeProto),
        (onnx_schema.DIMENSION, onnx.TensorShapeProto.Dimension),
        (onnx_schema.OPERATOR_SET, onnx.OperatorSetIdProto),
    ],
)
def test_fields_of_an_onnx_message_have_the_numbers_of_onnx_proto(fields: Schema, message: type) -> None:
    known = {field.number: field.name for field in message.DESCRIPTOR.fields}  # type: ignore[attr-defined]

    assert {number: name for number, (name, _) in fields.items()}.items() <= known.items()


def test_element_types_have_the_numbers_of_onnx_proto() -> None:
    names = {number: kind.name for number, kind in onnx_schema.ELEMENT_TYPES.items()}

    assert names == {number: str(onnx.helper.tensor_dtype_to_np_dtype(number)) for number in names}
