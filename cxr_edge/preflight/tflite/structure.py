"""The structure of a .tflite file: indices, shapes, sizes, definition before use, and operators that are known.

LiteRT checks that a flatbuffer holds together and then trusts what it says: an index beyond a table, a constant that is
shorter than its shape or a tensor that nothing made ends its process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cxr_edge.preflight.facts import ArtifactFacts, TensorFacts
from cxr_edge.preflight.flatbuffer import Malformed, Table, read_root
from cxr_edge.preflight.tflite import operators
from cxr_edge.preflight.tflite.schema import (
    BufferField,
    MetadataField,
    ModelField,
    OperatorCodeField,
    OperatorField,
    SignatureDefField,
    SubGraphField,
    TensorMapField,
)
from cxr_edge.preflight.tflite.tensor import Tensor, read_tensor, refuse_fields

__all__ = ["check"]

_IDENTIFIER = b"TFL3"
_VERSION = 3
_MAX_ENTRIES = 20_000
_MAX_ACTIVATION_BYTES = 2**30
_MAX_METADATA = 64
_MAX_SIGNATURES = 16
_MAX_NAMED = 64
_LARGEST_OFFSET_WITHIN = 1
_LEFT_OUT = -1
# Fields that hold what no export has: values in other files, custom code, state.
_UNUSED_IN_MODEL = (ModelField.EXTERNAL_BUFFER_GROUPS, ModelField.EXTERNAL_BUFFERS)
_UNUSED_IN_OPERATOR = (
    OperatorField.CUSTOM_OPTIONS,
    OperatorField.INTERMEDIATES,
    OperatorField.LARGE_CUSTOM_OPTIONS_OFFSET,
    OperatorField.LARGE_CUSTOM_OPTIONS_SIZE,
    OperatorField.BUILTIN_OPTIONS_2_TYPE,
    OperatorField.BUILTIN_OPTIONS_2,
)


def check(content: bytes) -> ArtifactFacts:
    """Return the facts of a .tflite file. Raises Malformed with what is wrong."""
    model = read_root(content, _IDENTIFIER)
    refuse_fields(model, _UNUSED_IN_MODEL, "model")
    version = model.number(ModelField.VERSION, "I")
    if version != _VERSION:
        raise Malformed(f"its schema has version {version}, not {_VERSION}")
    buffers = [_read_buffer(table, content) for table in model.tables(ModelField.BUFFERS, _MAX_ENTRIES)]
    codes = [_read_code(table) for table in model.tables(ModelField.OPERATOR_CODES, _MAX_ENTRIES)]
    graphs = model.tables(ModelField.SUBGRAPHS, 1)
    if not graphs:
        raise Malformed("it has no graph")
    graph = graphs[0]
    tensors = [read_tensor(table, buffers) for table in graph.tables(SubGraphField.TENSORS, _MAX_ENTRIES)]
    if sum(item.size_bytes for item in tensors if item.values is None) > _MAX_ACTIVATION_BYTES:
        raise Malformed(f"its tensors take more than {_MAX_ACTIVATION_BYTES >> 20} MiB")
    inputs = _read_indices(graph, SubGraphField.INPUTS, len(tensors), "graph")
    outputs = _read_indices(graph, SubGraphField.OUTPUTS, len(tensors), "graph")
    if any(tensors[index].values is not None for index in inputs):
        raise Malformed("one of its inputs is a constant")
    used = _check_operators(graph, codes, tensors, inputs, outputs)
    _check_metadata(model, len(buffers))
    _check_signatures(model, len(tensors))
    return ArtifactFacts(
        format="tflite",
        inputs=_describe(tensors, inputs),
        outputs=_describe(tensors, outputs),
        operators=used,
        size_bytes=len(content),
        weights_bytes=sum(item.nbytes for item in buffers if item is not None),
    )


def _describe(tensors: Sequence[Tensor], indices: Sequence[int]) -> tuple[TensorFacts, ...]:
    chosen = [tensors[index] for index in indices]
    return tuple(TensorFacts(item.name, item.dtype, item.shape) for item in chosen)


def _read_buffer(table: Table, content: bytes) -> npt.NDArray[np.uint8] | None:
    """Return a buffer's bytes, which stand in the flatbuffer or, at an offset above 1, behind it; None when empty."""
    offset = table.number(BufferField.OFFSET, "Q")
    size = table.number(BufferField.SIZE, "Q")
    data = table.numbers(BufferField.DATA, "u1")
    if offset > _LARGEST_OFFSET_WITHIN:
        if data is not None and data.size:
            raise Malformed("one of its buffers stands in two places")
        if offset + size > len(content):
            raise Malformed("one of its buffers reaches beyond the end")
        data = np.frombuffer(content, np.uint8, size, offset)
    return None if data is None or not data.size else data.astype(np.uint8, copy=False)


def _read_code(table: Table) -> operators.Operator:
    number = max(
        table.number(OperatorCodeField.DEPRECATED_BUILTIN_CODE, "b"),
        table.number(OperatorCodeField.BUILTIN_CODE, "i"),
    )
    known = operators.KNOWN.get(number)
    if known is None or table.has(OperatorCodeField.CUSTOM_CODE):
        raise Malformed(f"it has the operator number {number}, which no export uses")
    return known


def _read_indices(table: Table, field: int, count: int, what: str, *, optional: bool = False) -> list[int]:
    """Return indices of the `count` tensors; where they are `optional`, -1 stands for one that is left out."""
    found = table.numbers(field, "<i4")
    if found is not None and found.size > operators.MAX_INPUTS:
        # Many operators may share one long list, which then is read as often.
        raise Malformed(f"its {what} names {found.size} tensors")
    indices = [] if found is None else [int(index) for index in found.tolist()]
    for index in indices:
        if not (0 <= index < count or (optional and index == _LEFT_OUT)):
            raise Malformed(f"its {what} names tensor {index} of {count}")
    return indices


def _check_operators(
    graph: Table,
    codes: Sequence[operators.Operator],
    tensors: Sequence[Tensor],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> Counter[str]:
    """Check every operator in the order they run. Returns how often each is used."""
    made = set(inputs)
    used: Counter[str] = Counter()
    for position, table in enumerate(graph.tables(SubGraphField.OPERATORS, _MAX_ENTRIES)):
        refuse_fields(table, _UNUSED_IN_OPERATOR, "operator")
        code = table.number(OperatorField.OPCODE_INDEX, "I")
        if code >= len(codes):
            raise Malformed(f"operator {position} is of kind {code} of {len(codes)}")
        _check_operator(table, codes[code], f"operator {position} ({codes[code].name})", tensors, made)
        used[codes[code].name] += 1
    for index in outputs:
        if index not in made:
            raise Malformed(f"its output {index} is made by no operator")
    return used


def _check_operator(
    table: Table, operator: operators.Operator, where: str, tensors: Sequence[Tensor], made: set[int]
) -> None:
    """Check one operator, and add its outputs to the tensors that are `made`."""
    taken = _read_indices(table, OperatorField.INPUTS, len(tensors), where, optional=True)
    given = _read_indices(table, OperatorField.OUTPUTS, len(tensors), where)
    for index in taken:
        if index != _LEFT_OUT and index not in made and tensors[index].values is None:
            raise Malformed(f"{where} uses tensor {index} before it is made")
    for index in given:
        if index in made or tensors[index].values is not None:
            raise Malformed(f"{where} writes tensor {index}, which is made elsewhere")
        made.add(index)
    arguments = [None if index == _LEFT_OUT else tensors[index] for index in taken]
    operators.check(operator, where, table, arguments, [tensors[index] for index in given])


def _check_metadata(model: Table, buffers: int) -> None:
    for entry in model.tables(ModelField.METADATA, _MAX_METADATA):
        if entry.text(MetadataField.NAME) is None or entry.number(MetadataField.BUFFER, "I") >= buffers:
            raise Malformed("its metadata name a buffer that is not there")


def _check_signatures(model: Table, tensors: int) -> None:
    for signature in model.tables(ModelField.SIGNATURE_DEFS, _MAX_SIGNATURES):
        named = signature.text(SignatureDefField.SIGNATURE_KEY) is not None
        if not named or signature.number(SignatureDefField.SUBGRAPH_INDEX, "I"):
            raise Malformed("one of its signatures has no name or another graph")
        for field in (SignatureDefField.INPUTS, SignatureDefField.OUTPUTS):
            for entry in signature.tables(field, _MAX_NAMED):
                named = entry.text(TensorMapField.NAME) is not None
                if not named or entry.number(TensorMapField.TENSOR_INDEX, "I") >= tensors:
                    raise Malformed("one of its signatures names a tensor that is not there")
