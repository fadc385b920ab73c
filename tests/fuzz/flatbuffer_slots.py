"""Where the numbers of a .tflite stand: each place that says something, with the kind of number that stands there."""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["Slot", "find_slots"]


@dataclass(frozen=True)
class Slot:
    """A number in the file: its place, its struct letter, and what it says, such as "tensor.shape"."""

    position: int
    kind: str
    label: str


# Fields of each table by their numbers: a struct letter is a number, "[x" a vector of numbers, "{x" a vector of the
# table x, "x" another table, "" a text.
_SCHEMA: dict[str, dict[int, tuple[str, str]]] = {
    "model": {0: ("version", "I"), 1: ("codes", "{code"), 2: ("graphs", "{graph"), 4: ("buffers", "{buffer")},
    "code": {0: ("old", "b"), 2: ("version", "i"), 3: ("number", "i")},
    "buffer": {0: ("data", "[-"), 1: ("offset", "Q"), 2: ("size", "Q")},
    "graph": {
        0: ("tensors", "{tensor"),
        1: ("inputs", "[i"),
        2: ("outputs", "[i"),
        3: ("operators", "{operator"),
    },
    "tensor": {
        0: ("shape", "[i"),
        1: ("type", "b"),
        2: ("buffer", "I"),
        4: ("quantization", "quantization"),
        7: ("signature", "[i"),
    },
    "quantization": {2: ("scale", "[f"), 3: ("zero", "[q"), 6: ("axis", "i")},
    "operator": {
        0: ("code", "I"),
        1: ("inputs", "[i"),
        2: ("outputs", "[i"),
        3: ("options_type", "B"),
        4: ("options", "options"),
    },
    # Of a union the kinds differ; as many as any operator's options have, read as the widest number that they are.
    "options": {number: (f"option{number}", "i") for number in range(7)},
}


def find_slots(content: bytes) -> list[Slot]:
    """Return the numbers of a sound .tflite, but for what stands in its buffers."""
    slots = [Slot(0, "I", "root")]
    _walk(content, struct.unpack_from("<I", content, 0)[0], "model", slots)
    return slots


def _walk(content: bytes, position: int, table: str, slots: list[Slot]) -> None:
    vtable = position - struct.unpack_from("<i", content, position)[0]
    slots.append(Slot(position, "i", f"{table}.vtable"))
    fields = (struct.unpack_from("<H", content, vtable)[0] - 4) // 2
    for number, (name, kind) in _SCHEMA[table].items():
        offset = struct.unpack_from("<H", content, vtable + 4 + 2 * number)[0] if number < fields else 0
        if not offset:
            continue
        place, label = position + offset, f"{table}.{name}"
        slots.append(Slot(vtable + 4 + 2 * number, "H", f"{label}.field"))
        if len(kind) == 1:
            slots.append(Slot(place, kind, label))
            continue
        slots.append(Slot(place, "I", f"{label}.offset"))
        target = place + struct.unpack_from("<I", content, place)[0]
        if kind[0] not in "[{":
            _walk(content, target, kind, slots)
            continue
        count = struct.unpack_from("<I", content, target)[0]
        slots.append(Slot(target, "I", f"{label}.length"))
        for index in range(count):
            if kind[0] == "{":
                entry = target + 4 + 4 * index
                _walk(content, entry + struct.unpack_from("<I", content, entry)[0], kind[1:], slots)
            elif kind != "[-":
                slots.append(Slot(target + 4 + struct.calcsize(kind[1:]) * index, kind[1:], label))
