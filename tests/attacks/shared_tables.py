"""A model that keeps its reader busy: 20,000 operators that share one table with five million inputs."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.fuzz.flatbuffer_slots import find_slots
from tests.support import models

CODE, FACT = 4, "names 5000000 tensors"

_INPUTS = 5_000_000
_OPERATORS = 20_000


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    content = bytearray(models.tflite())
    (place,) = (slot.position for slot in find_slots(bytes(content)) if slot.label == "graph.operators.offset")
    content += bytes(-len(content) % 4)
    # The graph's list of operators stands behind the file now, and every entry leads to the one table behind it.
    struct.pack_into("<I", content, place, len(content) - place)
    start = len(content) + 4
    table = start + 4 * _OPERATORS + 8
    content += struct.pack("<I", _OPERATORS)
    content += b"".join(struct.pack("<I", table - start - 4 * index) for index in range(_OPERATORS))
    # Its vtable: 8 bytes for two fields, a table of 12 bytes, the kind at 4 and the inputs at 8.
    content += struct.pack("<HHHH", 8, 12, 4, 8) + struct.pack("<iII", 8, 0, 4)
    content += struct.pack("<I", _INPUTS) + bytes(4 * _INPUTS)
    models.write_bundle(folder / "evil", {"model_float32.tflite": bytes(content)})
    return ["classify", "film.png", "--model", "evil"]
