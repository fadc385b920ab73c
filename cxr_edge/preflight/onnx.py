"""The structure of an .onnx file: nothing outside the file, known operators, sizes, and definition before use.

What a file may hold is listed in onnx_schema.py; the checks here are of how its parts fit together.
"""

from __future__ import annotations

import math
from collections import Counter

from cxr_edge.preflight.facts import ArtifactFacts, TensorFacts
from cxr_edge.preflight.flatbuffer import Malformed
from cxr_edge.preflight.onnx_schema import (
    ATTRIBUTE,
    DIMENSION,
    ELEMENT_TYPES,
    GRAPH,
    MODEL,
    NODE,
    OPERATOR_SET,
    OPERATORS,
    SHAPE,
    TENSOR,
    TENSOR_TYPE,
    TYPE,
    VALUE_BYTES,
    VALUE_INFO,
    ElementType,
)
from cxr_edge.preflight.protobuf import Message

__all__ = ["check"]

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
    model = Message(memoryview(content), MODEL, "the model")
    if model.number("ir_version") not in _IR_VERSIONS:
        raise Malformed(f"its IR version is {model.number('ir_version')}")
    opset = _check_opsets(model)
    if not model.parts("graph"):
        raise Malformed("it is no ONNX model: it has no graph")
    graph = model.child(model.parts("graph")[0], GRAPH, "the graph")
    constants = _check_constants(graph)
    inputs = tuple(_read_value(graph, part) for part in graph.parts("input"))
    outputs = tuple(_read_value(graph, part) for part in graph.parts("output"))
    for part in graph.parts("value_info"):
        _read_value(graph, part)
    used = _check_nodes(graph, {*constants}, [item.name for item in inputs], [item.name for item in outputs])
    return ArtifactFacts("onnx", inputs, outputs, used, len(content), sum(constants.values()), {"opset": opset})


def _check_opsets(model: Message) -> int:
    versions: dict[str, int] = {}
    for part in model.parts("opset_import"):
        entry = model.child(part, OPERATOR_SET, "an opset")
        domain = entry.text("domain")
        if domain not in _IMPORTABLE or domain in versions:
            raise Malformed(f"it uses the operators of {domain!r}, or twice")
        versions[domain] = entry.number("version")
    found = [version for domain, version in versions.items() if domain in _DOMAINS]
    if len(found) != 1 or found[0] not in _OPSETS:
        raise Malformed(f"its opset is {found[0] if found else 'not stated'}, not {_OPSETS[0]} to {_OPSETS[-1]}")
    return found[0]


def _check_constants(graph: Message) -> dict[str, int]:
    """Return the bytes of each stored tensor by its name."""
    constants: dict[str, int] = {}
    for part in graph.parts("initializer"):
        name, size_bytes = _check_tensor(graph, part)
        if not name or name in constants:
            raise Malformed(f"it has two constants {name!r}")
        constants[name] = size_bytes
    return constants


def _check_tensor(parent: Message, part: memoryview) -> tuple[str, int]:
    """Return name and bytes of a stored tensor, whose values are all there and in this file."""
    tensor = parent.child(part, TENSOR, "a constant")
    name = tensor.text("name")
    if tensor.number("data_location"):
        raise Malformed(f"constant {name!r} lies in another file")
    kind = ELEMENT_TYPES.get(tensor.number("data_type"))
    if kind is None:
        raise Malformed(f"constant {name!r} is of type {tensor.number('data_type')}, which no export uses")
    sides = tensor.numbers("dims", _MAX_RANK)
    if any(not 0 <= side <= _MAX_TENSOR_BYTES for side in sides):
        raise Malformed(f"constant {name!r} has the shape {tuple(sides)}")
    count = math.prod(sides)
    size_bytes = count * kind.size_bytes
    if size_bytes > _MAX_TENSOR_BYTES:
        raise Malformed(f"constant {name!r} takes more than {_MAX_TENSOR_BYTES >> 20} MiB")
    raw_bytes = sum(part.nbytes for part in tensor.parts("raw_data"))
    wanted = size_bytes if raw_bytes else count
    stored = _count_values(tensor, kind, name, raw_bytes)
    if stored != wanted:
        raise Malformed(f"constant {name!r} of shape {tuple(sides)} has {stored} values or bytes, not {wanted}")
    return name, size_bytes


def _count_values(tensor: Message, kind: ElementType, name: str, raw_bytes: int) -> int:
    """Return how many bytes raw_data has, or where it is empty how many values the field of this type has."""
    held = {field: tensor.count(field, size) for field, size in VALUE_BYTES.items() if tensor.has(field)}
    if raw_bytes:
        if held:
            raise Malformed(f"constant {name!r} stands in two places")
        return raw_bytes
    stored = held.pop(kind.field, 0)
    if held:
        raise Malformed(f"constant {name!r} has values of another type")
    return stored


def _read_value(graph: Message, part: memoryview) -> TensorFacts:
    value = graph.child(part, VALUE_INFO, "a tensor")
    name = value.text("name")
    where = f"the type of {name!r}"
    for described in value.parts("type"):
        for part in graph.child(described, TYPE, where).parts("tensor_type"):
            tensor = graph.child(part, TENSOR_TYPE, where)
            shape = [side for stored in tensor.parts("shape") for side in _read_shape(graph, stored, name)]
            kind = ELEMENT_TYPES.get(tensor.number("elem_type"))
            if kind is not None:
                return TensorFacts(name, kind.name, tuple(shape))
    raise Malformed(f"tensor {name!r} has a type that no export uses")


def _read_shape(graph: Message, part: memoryview, name: str) -> list[int | str]:
    sides: list[int | str] = []
    where = f"the shape of {name!r}"
    for entry in graph.child(part, SHAPE, where).parts("dim"):
        side = graph.child(entry, DIMENSION, where)
        size = side.number("dim_value")
        if not 0 <= size <= _MAX_SIDE or (side.has("dim_value") and side.has("dim_param")):
            raise Malformed(f"tensor {name!r} has a side of {size}")
        # A side without a size may be called something or nothing; it is free either way.
        sides.append(size if side.has("dim_value") else side.text("dim_param") or "?")
    if len(sides) > _MAX_RANK:
        raise Malformed(f"tensor {name!r} has {len(sides)} sides")
    return sides


def _check_nodes(graph: Message, constants: set[str], inputs: list[str], outputs: list[str]) -> Counter[str]:
    """Check every node in the order they stand. Returns how often each operator is used."""
    if len(set(inputs)) != len(inputs) or constants.intersection(inputs):
        raise Malformed("two of its inputs and constants have one name")
    made = constants.union(inputs)
    used: Counter[str] = Counter()
    parts = graph.parts("node")
    if len(parts) > _MAX_NODES:
        raise Malformed(f"it has {len(parts)} nodes where {_MAX_NODES} are the most")
    for position, part in enumerate(parts):
        used[_check_node(graph, part, position, made)] += 1
    for name in outputs:
        if name not in made:
            raise Malformed(f"its output {name!r} is made by no node")
    return used


def _check_node(graph: Message, part: memoryview, position: int, made: set[str]) -> str:
    """Return a node's operator, and add its outputs to the names that are `made`."""
    node = graph.child(part, NODE, f"node {position}")
    kind, domain = node.text("op_type"), node.text("domain")
    if kind not in OPERATORS or domain not in _DOMAINS:
        raise Malformed(f"node {position} is {f'{domain}.' if domain else ''}{kind}, which no export uses")
    where = f"node {position} ({kind})"
    for name in node.texts("input"):
        if name and name not in made:
            raise Malformed(f"{where} uses {name!r} before it is made")
    for name in node.texts("output"):
        if not name or name in made:
            raise Malformed(f"{where} writes {name!r}, which is made elsewhere")
        made.add(name)
    _check_attributes(node, where)
    return kind


def _check_attributes(node: Message, where: str) -> None:
    names = set()
    for part in node.parts("attribute"):
        attribute = node.child(part, ATTRIBUTE, f"an attribute of {where}")
        name = attribute.text("name")
        if name in names:
            raise Malformed(f"{where} has two attributes {name!r}")
        names.add(name)
        for tensor in attribute.parts("t"):
            _check_tensor(node, tensor)
