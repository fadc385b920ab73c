"""Which operations of a .tflite a delegate runs, and how many multiplications it holds, read from an interpreter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["count_delegated", "count_macs"]


def count_delegated(operations: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many of the graph's own operations run in delegates, and how many there are.

    `operations` are the interpreter's, after it allocated its tensors. The list has the delegates at its end, but does
    not say which operations each one took over: they are the ones between its outputs and its inputs.
    """
    own = [item for item in operations if item["op_name"] != "DELEGATE"]
    maker = {int(tensor): number for number, item in enumerate(own) for tensor in item["outputs"]}
    taken: set[int] = set()
    for delegate in operations:
        if delegate["op_name"] != "DELEGATE":
            continue
        outside = {int(tensor) for tensor in delegate["inputs"]}
        open_tensors = [int(tensor) for tensor in delegate["outputs"]]
        while open_tensors:
            number = maker.get(open_tensors.pop())
            if number is None or number in taken:
                continue
            taken.add(number)
            open_tensors += [int(tensor) for tensor in own[number]["inputs"] if int(tensor) not in outside]
    return len(taken), len(own)


def count_macs(operations: Sequence[Mapping[str, Any]], shapes: Mapping[int, Sequence[int]]) -> int:
    """Return the number of multiplications in convolutions and dense layers; `shapes` has each tensor's shape."""
    total = 0
    for item in operations:
        if item["op_name"] in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            weights = shapes[int(item["inputs"][1])]
            outputs = int(np.prod(shapes[int(item["outputs"][0])]))
            # A depthwise kernel is (1, rows, columns, channels), the others (outputs, ..., inputs).
            each = weights[1] * weights[2] if item["op_name"] == "DEPTHWISE_CONV_2D" else int(np.prod(weights[1:]))
            total += outputs * int(each)
    return total
