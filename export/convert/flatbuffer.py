"""A .tflite file as an object tree: names, signature and outputs in the order of the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from cxr_edge.contract import InputContract
from cxr_edge.errors import ExportError

__all__ = ["SIGNATURE", "Buffer", "name_tensors", "read", "write"]

SIGNATURE = "serving_default"
_IDENTIFIER = b"TFL3"
_ALIGNMENT_BYTES = 16


class Buffer(schema.BufferT):
    """A buffer packed at the alignment that the TFLite schema asks for and its Python writer ignores."""

    def Pack(self, builder: Any) -> Any:  # noqa: N802 - the name that ModelT.Pack calls
        """Write the buffer; called by `ModelT.Pack`."""
        if self.data is not None:
            builder.Prep(_ALIGNMENT_BYTES, len(self.data))
        return super().Pack(builder)


def read(content: bytes) -> Any:
    """Return the `ModelT` tree of a .tflite file, laid out so that all readers take it when it is written again."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    # litert-quantizer puts weights behind the flatbuffer, and an operation's code into its newer field alone. The
    # tree would lose the former, and OpenVINO knows neither.
    model.buffers = [Buffer(_read_buffer(buffer, content)) for buffer in model.buffers]
    for code in model.operatorCodes:
        code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
        code.deprecatedBuiltinCode = min(code.builtinCode, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    return model


def write(model: Any) -> bytes:
    """Return the .tflite file of a `ModelT` tree."""
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def name_tensors(content: bytes, outputs: Sequence[str], widths: Sequence[int]) -> bytes:
    """Return the file with its input and outputs named by the contract, in the order of `outputs`, and one signature.

    A converter keeps neither names nor order; `widths` are the outputs' last dimensions, by which they are told
    apart. Raises ExportError when the file has other outputs.
    """
    model = read(content)
    graph = model.subgraphs[0]
    found = {int(graph.tensors[index].shape[-1]): int(index) for index in graph.outputs}
    if sorted(found) != sorted(widths) or len(graph.inputs) != 1:
        raise ExportError(
            f"TFLite conversion gave outputs of widths {sorted(found)}, not {sorted(widths)}; report this"
        )
    graph.outputs = [found[width] for width in widths]
    signature = schema.SignatureDefT()
    signature.signatureKey = SIGNATURE
    signature.subgraphIndex = 0
    signature.inputs = [_name(graph, int(graph.inputs[0]), InputContract().name)]
    signature.outputs = [_name(graph, found[width], name) for name, width in zip(outputs, widths, strict=True)]
    model.signatureDefs = [signature]
    return write(model)


def _read_buffer(buffer: Any, content: bytes) -> Any:
    """Return a buffer's bytes, which stand in the flatbuffer or, at an offset above 1, behind it."""
    if buffer.offset <= 1:
        return buffer.data
    return np.frombuffer(content, np.uint8, count=buffer.size, offset=buffer.offset)


def _name(graph: Any, index: int, name: str) -> Any:
    graph.tensors[index].name = name.encode()
    entry = schema.TensorMapT()
    entry.name = name.encode()
    entry.tensorIndex = index
    return entry
