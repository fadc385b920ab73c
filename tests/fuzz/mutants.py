"""Mutants of each format: sound files with a few places changed, so that most of them get past the first look.

Every mutant has a number, and number and seed alone decide what it is.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from cxr_edge.preflight.onnx_schema import OPERATORS
from cxr_edge.preflight.tflite.operators import KNOWN
from tests.fuzz import seeds
from tests.fuzz.flatbuffer_slots import Slot, find_slots
from tests.support import models
from tests.support.trees import change_onnx, change_tflite

__all__ = ["FORMATS", "make"]

_INTEGERS = (0, 1, 2, 3, 7, 8, 127, 128, 224, 255, 256, 1000, 32767, 65535, 2**20, 2**30, 2**31 - 1, 2**31, 2**32 - 1)
_FLOATS = (0.0, -1.0, 1e-38, 1e38, float("inf"), float("nan"), 0.5, 255.0)


def make(format: str, number: int, seed: int = 0) -> bytes:
    """Return the mutant `number` of a format."""
    return FORMATS[format](random.Random(f"{seed}/{format}/{number}"))


@functools.cache
def _slots(content: bytes) -> dict[str, list[Slot]]:
    found: dict[str, list[Slot]] = {}
    for slot in find_slots(content):
        found.setdefault(slot.label, []).append(slot)
    return found


def _tflite(rng: random.Random) -> bytes:
    if rng.random() < 0.4:
        return change_tflite(models.tflite(), lambda model: _change_tree(model, rng))
    content = seeds.shipped_tflite() if rng.random() < 0.5 else models.tflite()
    data = bytearray(content)
    slots = _slots(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        # By label, since there are thousands of shapes and one number of graphs.
        alike = slots[rng.choice(list(slots))]
        slot = rng.choice(alike)
        old = struct.unpack_from(f"<{slot.kind}", content, slot.position)[0]
        other = rng.choice(alike)
        swapped = struct.unpack_from(f"<{other.kind}", content, other.position)[0]
        value = rng.choice((_value(slot.kind, old, rng), swapped))
        struct.pack_into(f"<{slot.kind}", data, slot.position, value)
    return bytes(data)


def _value(kind: str, old: Any, rng: random.Random) -> Any:
    if kind == "f":
        return rng.choice(_FLOATS)
    bits = 8 * struct.calcsize(kind)
    value = rng.choice((rng.choice(_INTEGERS), old + 1, old - 1, 2 * old, old + 4, -old, rng.getrandbits(bits)))
    value %= 1 << bits
    return value - (1 << bits) if kind.islower() and value >= 1 << (bits - 1) else value


def _change_tree(model: Any, rng: random.Random) -> None:
    graph = model.subgraphs[0]
    operator, tensor = rng.choice(graph.operators), rng.choice(graph.tensors)
    changes: tuple[Callable[[], object], ...] = (
        lambda: graph.operators.remove(operator) if len(graph.operators) > 1 else None,
        lambda: graph.operators.insert(rng.randrange(len(graph.operators)), operator),
        lambda: rng.shuffle(graph.operators),
        lambda: operator.inputs.append(rng.choice([-1, *operator.inputs])),
        lambda: operator.inputs.pop() if operator.inputs else None,
        lambda: rng.shuffle(operator.inputs),
        lambda: operator.outputs.append(rng.randrange(len(graph.tensors))),
        lambda: operator.outputs.clear(),
        lambda: setattr(tensor, "shape", [rng.choice((0, 1, 2, 3, 224, -1)) for _ in range(rng.randrange(6))]),
        lambda: setattr(tensor, "type", rng.randrange(20)),
        lambda: setattr(tensor, "buffer", rng.randrange(len(model.buffers) + 1)),
        lambda: setattr(tensor, "isVariable", True),
        lambda: setattr(rng.choice(model.buffers), "data", list(rng.randbytes(rng.randrange(40)))),
        lambda: setattr(rng.choice(model.operatorCodes), "builtinCode", rng.choice([*KNOWN, 119, 32])),
        lambda: setattr(rng.choice(model.operatorCodes), "customCode", b"Custom"),
        lambda: setattr(operator, "opcodeIndex", rng.randrange(len(model.operatorCodes) + 1)),
        lambda: setattr(operator, "builtinOptions", None),
        lambda: graph.outputs.append(rng.randrange(len(graph.tensors))),
        lambda: graph.inputs.append(rng.randrange(len(graph.tensors))),
        lambda: model.subgraphs.append(graph),
    )
    for change in rng.sample(changes, rng.choice((1, 1, 2))):
        change()


def _onnx(rng: random.Random) -> bytes:
    base = rng.choice((models.onnx, seeds.onnx_layers))()
    if rng.random() < 0.2:
        return _bend(base, rng)

    def change(model: Any) -> None:
        for _ in range(rng.choice((1, 1, 2, 3))):
            _change_proto(model, rng)

    return change_onnx(base, change)


def _change_proto(model: Any, rng: random.Random) -> None:
    graph = model.graph
    node, stored = rng.choice(graph.node), rng.choice(graph.initializer)
    value = rng.choice([*graph.input, *graph.output])
    names = [name for item in graph.node for name in (*item.input, *item.output)]

    def change_attribute() -> None:
        for attribute in node.attribute:
            if attribute.ints:
                attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice((-1, 0, 1, 2, 3, 9, 2**31, -(2**63)))
            else:
                attribute.i = rng.choice((-2, -1, 0, 1, 2, 9, 99, 2**31))

    def change_values() -> None:
        if stored.raw_data:
            stored.raw_data = _bend(stored.raw_data, rng, whole=True)

    def change_integers() -> None:
        if stored.data_type == 7:
            stored.raw_data = b"".join(
                struct.pack("<q", rng.choice((-1, 0, 1, 2, 3, 49, 2**31, 2**62, -(2**63))))
                for _ in range(len(stored.raw_data) // 8)
            )

    def resize() -> None:
        side = value.type.tensor_type.shape.dim
        if side:
            rng.choice(side).dim_value = rng.choice((0, 1, 2, 225, -1, 2**40))

    rng.choice(
        (
            change_attribute,
            change_attribute,
            change_values,
            change_integers,
            change_integers,
            resize,
            lambda: setattr(node, "op_type", rng.choice(sorted(OPERATORS))),
            lambda: setattr(node, "op_type", rng.choice(("Loop", "If", "Scan", "Constant", "Expand", "NonZero"))),
            lambda: setattr(node, "domain", rng.choice(("com.microsoft", "ai.onnx", "x"))),
            lambda: node.input.append(rng.choice(names)),
            lambda: node.input.pop() if node.input else None,
            lambda: node.input.__setitem__(0, rng.choice(names)) if node.input else None,
            lambda: node.input.append(""),
            lambda: node.output.append(rng.choice(names)),
            lambda: node.attribute.pop() if node.attribute else None,
            lambda: graph.node.remove(node) if len(graph.node) > 1 else None,
            lambda: graph.node.insert(rng.randrange(len(graph.node)), node),
            lambda: setattr(stored, "data_type", rng.randrange(17)),
            lambda: stored.dims.append(rng.choice((0, 1, 2, 2**40))),
            lambda: stored.dims.pop() if stored.dims else None,
            lambda: setattr(stored, "data_location", 1),
            lambda: graph.initializer.remove(stored) if len(graph.initializer) > 1 else None,
            lambda: setattr(model.opset_import[0], "version", rng.choice((1, 7, 11, 13, 18, 21, 23, 99))),
            lambda: setattr(model, "ir_version", rng.choice((0, 3, 7, 10, 99))),
        )
    )()


def _bend(content: bytes, rng: random.Random, *, whole: bool = False) -> bytes:
    """Return bytes with some changed; unless they stay `whole`, some may be cut, doubled or put in."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        place = rng.randrange(max(len(data), 1))
        kind = rng.randrange(3 if whole else 7)
        if kind < 2 and data:
            data[place] = rng.choice((0, 1, 127, 128, 255, data[place] ^ (1 << rng.randrange(8)), rng.randrange(256)))
        elif kind == 2 and len(data) >= 4:
            place = min(place, len(data) - 4)
            data[place : place + 4] = struct.pack(rng.choice("<>") + "I", rng.choice(_INTEGERS))
        elif kind == 3:
            del data[place:]
        elif kind == 4:
            del data[place : place + rng.randrange(1, 64)]
        elif kind == 5:
            data[place:place] = data[place : place + rng.randrange(1, 64)]
        elif kind == 6:
            data[place:place] = rng.randbytes(rng.randrange(1, 16))
    return bytes(data)


def _png(rng: random.Random) -> bytes:
    content = rng.choice(seeds.png())
    if rng.random() < 0.4:
        return _bend(content, rng)
    chunks = []
    place = 8
    while place < len(content):
        size = struct.unpack_from(">I", content, place)[0]
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    for _ in range(rng.choice((1, 1, 2))):
        index = rng.randrange(len(chunks))
        kind, data = chunks[index]
        change = rng.randrange(4)
        if change == 0:
            chunks[index] = kind, _bend(data, rng, whole=kind == b"IHDR")
        elif change == 1:
            chunks.insert(index, chunks[rng.randrange(len(chunks))])
        elif change == 2:
            chunks[index] = rng.choice((b"tRNS", b"PLTE", b"acTL", b"fdAT", b"iCCP", b"eXIf", b"zTXt")), data
        elif kind == b"IDAT":
            # The change before may have left nothing to unpack.
            with contextlib.suppress(zlib.error):
                chunks[index] = kind, zlib.compress(_bend(zlib.decompress(data), rng))
    # Sums that are right, or no change would get past the first look.
    parts = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return content[:8] + b"".join(parts)


def _jpeg(rng: random.Random) -> bytes:
    return _bend(rng.choice(seeds.jpeg()), rng)


def _dicom(rng: random.Random) -> bytes:
    content = rng.choice(seeds.dicom())
    if rng.random() < 0.3:
        return _bend(content, rng)
    # The tags stand before the pixels, which are most of the file.
    head = content.find(b"\xe0\x7f\x10\x00")
    return content[:128] + _bend(content[128:head], rng) + content[head:]


def _manifest(rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return _bend(seeds.manifest(), rng)
    value = json.loads(seeds.manifest())
    for _ in range(rng.choice((1, 1, 2, 3))):
        _change_json(value, rng)
    return json.dumps(value).encode()


def _change_json(value: Any, rng: random.Random) -> None:
    where = value
    while True:
        keys = list(where) if isinstance(where, dict) else list(range(len(where)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(where[key], (dict, list)) and where[key] and rng.random() < 0.8:
            where = where[key]
            continue
        strange: tuple[Any, ...] = (
            None,
            True,
            -1,
            0,
            2**70,
            1e308,
            "",
            "../x",
            "\0",
            "\ud800",
            [],
            {},
            [[]],
            {"": None},
            "x" * 5000,
        )
        change = rng.randrange(3)
        if change == 0:
            del where[key]
        elif change == 1 and isinstance(where, dict):
            where[rng.choice(("", "../x", "a/b", "CON", "\n", "manifest.json"))] = where[key]
        else:
            where[key] = rng.choice(strange)
        return


def _zip(rng: random.Random) -> bytes:
    content = seeds.zip_archive()
    if rng.random() < 0.5:
        return _bend(content, rng)
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as target:
        for number, item in enumerate(source.infolist()):
            data = source.read(item)
            name = rng.choice((*[item.filename] * 8, f"../{number}", "/x", f"mine/{number}", "mine/X", "x\\y", "x/"))
            entry = zipfile.ZipInfo(name)
            entry.compress_type = rng.choice((*[zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED] * 4, zipfile.ZIP_BZIP2))
            entry.external_attr = rng.choice((*[0, 0o100644 << 16] * 4, 0o120777 << 16, 0o040755 << 16))
            target.writestr(entry, rng.choice((*[data] * 8, _bend(data, rng), bytes(2**20))))
    return held.getvalue()


FORMATS: dict[str, Callable[[random.Random], bytes]] = {
    "tflite": _tflite,
    "onnx": _onnx,
    "png": _png,
    "jpeg": _jpeg,
    "dicom": _dicom,
    "manifest": _manifest,
    "zip": _zip,
}
