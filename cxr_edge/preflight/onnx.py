"""The structure of an .onnx file: nothing outside the file, known operators, sizes, and definition before use.

Field numbers are those of onnx.proto. A field that is not listed here is refused, so functions, training graphs,
sub-graphs (If, Loop, Scan), sparse tensors and devices cannot come in by a way that nobody thought of.
"""

from __future__ import annotations

import math
from collections import Counter

from cxr_edge.preflight.facts import ArtifactFacts, TensorFacts
from cxr_edge.preflight.flatbuffer import Malformed
from cxr_edge.preflight.protobuf import Message, Schema

__all__ = ["OPERATORS", "check"]

_MODEL: Schema = {1: "v", 2: "b", 3: "b", 4: "b", 5: "v", 6: "b", 7: "b", 8: "b*", 14: "b*"}
_GRAPH: Schema = {1: "b*", 2: "b", 5: "b*", 10: "b", 11: "b*", 12: "b*", 13: "b*", 16: "b*"}
_NODE: Schema = {1: "b*", 2: "b*", 3: "b", 4: "b", 5: "b*", 6: "b", 7: "b", 9: "b*"}
# No graphs (6, 11), types (14, 15), sparse tensors (22, 23) or references into functions (21).
_ATTRIBUTE: Schema = {
    **{1: "b", 2: "4", 3: "v", 4: "b", 5: "b", 7: "4b*", 8: "vb*", 9: "b*", 13: "b", 20: "v"},
}
# external_data (13) is not in the list; data_location (14) may be there and must be 0.
_TENSOR: Schema = {
    **{1: "vb*", 2: "v", 4: "4b*", 5: "vb*", 7: "vb*", 8: "b", 9: "b", 10: "8b*", 11: "vb*", 12: "b", 14: "v"},
}
_VALUE: Schema = {1: "b", 2: "b", 3: "b"}
_TYPE: Schema = {1: "b", 6: "b"}
_TENSOR_TYPE: Schema = {1: "v", 2: "b"}
_SHAPE: Schema = {1: "b*"}
_SIDE: Schema = {1: "v", 2: "b", 3: "b"}
_OPSET: Schema = {1: "b", 2: "v"}

OPERATORS = {
    *("Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Conv", "DequantizeLinear", "Div"),
    *("Flatten", "Gemm", "GlobalAveragePool", "Greater", "GreaterOrEqual", "Identity", "MatMul", "Max", "MaxPool"),
    *(
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
    ),
    *("Sigmoid", "Slice", "Softmax", "Sqrt", "Squeeze", "Sub", "Transpose", "Unsqueeze"),
}
"""What exports of the four backbones use; none runs other nodes, and but for Pad and Resize none makes more than it is
given."""

# Number of an element type: name, bytes, and the field of a TensorProto that holds such values where raw_data does not.
_TYPES = {
    1: ("float32", 4, 4),
    2: ("uint8", 1, 5),
    3: ("int8", 1, 5),
    6: ("int32", 4, 5),
    7: ("int64", 8, 7),
    9: ("bool", 1, 5),
    10: ("float16", 2, 5),
}
_FIELD_BYTES = {4: 4, 5: None, 7: None, 10: 8, 11: None}
_DOMAINS = ("", "ai.onnx")
_IMPORTABLE = (*_DOMAINS, "ai.onnx.ml")
_IR_VERSIONS = range(4, 14)
_OPSETS = range(11, 24)
_MAX_NODES = 20_000
_MAX_RANK = 8
_MAX_TENSOR_BYTES = 256 * 2**20
_MAX_SIDE = 1 << 20
_ORT_MARK = b"ORTM"


def check(content: bytes) -> ArtifactFacts:
    """Return the facts of an .onnx file. Raises Malformed with what is wrong."""
    if content[4:8] == _ORT_MARK:
        # ONNX Runtime goes by this mark, and would read another format than the one checked here.
        raise Malformed("it is an ORT file, not an .onnx")
    model = Message(memoryview(content), _MODEL, "the model")
    if model.number(1) not in _IR_VERSIONS:
        raise Malformed(f"its IR version is {model.number(1)}")
    opset = _check_opsets(model)
    if not model.parts(7):
        raise Malformed("it is no ONNX model: it has no graph")
    graph = model.child(model.parts(7)[0], _GRAPH, "the graph")
    constants: dict[str, int] = {}
    for part in graph.parts(5):
        name, size = _check_tensor(graph, part)
        if not name or name in constants:
            raise Malformed(f"it has two constants {name!r}")
        constants[name] = size
    inputs, outputs = (tuple(_read_value(graph, part) for part in graph.parts(field)) for field in (11, 12))
    for part in graph.parts(13):
        _read_value(graph, part)
    used = _check_nodes(graph, {*constants}, [item.name for item in inputs], [item.name for item in outputs])
    return ArtifactFacts("onnx", inputs, outputs, used, len(content), sum(constants.values()), {"opset": opset})


def _check_opsets(model: Message) -> int:
    versions: dict[str, int] = {}
    for part in model.parts(8):
        entry = model.child(part, _OPSET, "an opset")
        domain = entry.text(1)
        if domain not in _IMPORTABLE or domain in versions:
            raise Malformed(f"it uses the operators of {domain!r}, or twice")
        versions[domain] = entry.number(2)
    found = [version for domain, version in versions.items() if domain in _DOMAINS]
    if len(found) != 1 or found[0] not in _OPSETS:
        raise Malformed(f"its opset is {found[0] if found else 'not stated'}, not {_OPSETS[0]} to {_OPSETS[-1]}")
    return found[0]


def _check_tensor(parent: Message, part: memoryview) -> tuple[str, int]:
    """Return name and bytes of a stored tensor, whose values are all there and in this file."""
    tensor = parent.child(part, _TENSOR, "a constant")
    name = tensor.text(8)
    if tensor.number(14):
        raise Malformed(f"constant {name!r} lies in another file")
    kind = _TYPES.get(tensor.number(2))
    if kind is None:
        raise Malformed(f"constant {name!r} is of type {tensor.number(2)}, which no export uses")
    sides = tensor.numbers(1, _MAX_RANK)
    if any(not 0 <= side <= _MAX_TENSOR_BYTES for side in sides):
        raise Malformed(f"constant {name!r} has the shape {tuple(sides)}")
    _, width, field = kind
    count = math.prod(sides)
    if count * width > _MAX_TENSOR_BYTES:
        raise Malformed(f"constant {name!r} takes more than {_MAX_TENSOR_BYTES >> 20} MiB")
    held = {number: tensor.count(number, size) for number, size in _FIELD_BYTES.items() if tensor.has(number)}
    if tensor.has(9) and tensor.parts(9)[0].nbytes:
        if held:
            raise Malformed(f"constant {name!r} stands in two places")
        stored = tensor.parts(9)[0].nbytes
        wanted = count * width
    else:
        stored, wanted = held.pop(field, 0), count
        if held:
            raise Malformed(f"constant {name!r} has values of another type")
    if stored != wanted:
        raise Malformed(f"constant {name!r} of shape {tuple(sides)} has {stored} values or bytes, not {wanted}")
    return name, count * width


def _read_value(graph: Message, part: memoryview) -> TensorFacts:
    value = graph.child(part, _VALUE, "a tensor")
    name = value.text(1)
    for kind in value.parts(2):
        for described in graph.child(kind, _TYPE, f"the type of {name!r}").parts(1):
            tensor = graph.child(described, _TENSOR_TYPE, f"the type of {name!r}")
            known = _TYPES.get(tensor.number(1))
            shape = [side for part in tensor.parts(2) for side in _read_shape(graph, part, name)]
            if known is not None:
                return TensorFacts(name, known[0], tuple(shape))
    raise Malformed(f"tensor {name!r} has a type that no export uses")


def _read_shape(graph: Message, part: memoryview, name: str) -> list[int | str]:
    sides: list[int | str] = []
    for entry in graph.child(part, _SHAPE, f"the shape of {name!r}").parts(1):
        side = graph.child(entry, _SIDE, f"the shape of {name!r}")
        size = side.number(1)
        if not 0 <= size <= _MAX_SIDE or (side.has(1) and side.has(2)):
            raise Malformed(f"tensor {name!r} has a side of {size}")
        # A side without a size may be called something or nothing; it is free either way.
        sides.append(size if side.has(1) else side.text(2) or "?")
    if len(sides) > _MAX_RANK:
        raise Malformed(f"tensor {name!r} has {len(sides)} sides")
    return sides


def _check_nodes(graph: Message, constants: set[str], inputs: list[str], outputs: list[str]) -> Counter[str]:
    """Check every node in the order they stand. Returns how often each operator is used."""
    if len(set(inputs)) != len(inputs) or constants.intersection(inputs):
        raise Malformed("two of its inputs and constants have one name")
    made = constants.union(inputs)
    used: Counter[str] = Counter()
    parts = graph.parts(1)
    if len(parts) > _MAX_NODES:
        raise Malformed(f"it has {len(parts)} nodes where {_MAX_NODES} are the most")
    for position, part in enumerate(parts):
        node = graph.child(part, _NODE, f"node {position}")
        kind, domain = node.text(4), node.text(7)
        if kind not in OPERATORS or domain not in _DOMAINS:
            raise Malformed(f"node {position} is {f'{domain}.' if domain else ''}{kind}, which no export uses")
        for name in node.texts(1):
            if name and name not in made:
                raise Malformed(f"node {position} ({kind}) uses {name!r} before it is made")
        for name in node.texts(2):
            if not name or name in made:
                raise Malformed(f"node {position} ({kind}) writes {name!r}, which is made elsewhere")
            made.add(name)
        _check_attributes(node, f"node {position} ({kind})")
        used[kind] += 1
    for name in outputs:
        if name not in made:
            raise Malformed(f"its output {name!r} is made by no node")
    return used


def _check_attributes(node: Message, where: str) -> None:
    names = set()
    for part in node.parts(5):
        attribute = node.child(part, _ATTRIBUTE, f"an attribute of {where}")
        name = attribute.text(1)
        if name in names:
            raise Malformed(f"{where} has two attributes {name!r}")
        names.add(name)
        for tensor in attribute.parts(5):
            _check_tensor(node, tensor)
