"""Model files taken apart, changed and put together again, for tests of what checks them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["change_onnx", "change_tflite"]


def change_tflite(content: bytes, change: Callable[[Any], None]) -> bytes:
    """Return a .tflite file after `change` to its `ModelT` tree."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for graph in model.subgraphs:
        # They are read as views of the file, which cannot be written to.
        for item in (graph, *graph.operators):
            item.inputs, item.outputs = list(item.inputs), list(item.outputs)
    change(model)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def change_onnx(content: bytes, change: Callable[[Any], None]) -> bytes:
    """Return an .onnx file after `change` to its ModelProto."""
    import onnx

    model = onnx.load_model_from_string(content)
    change(model)
    return bytes(model.SerializeToString())
