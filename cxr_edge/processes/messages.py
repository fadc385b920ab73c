"""Messages between a process and its child: a line of JSON with the sizes of the blobs that follow it.

    {"task": "run", "sizes": [150656]}\n<150656 bytes>

The blobs are a model file, arrays in npy format, or what both sides agree on. Nothing here unpickles, and what is read
is bounded: a child may have been taken over by the file that it opened.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

__all__ = ["SMALL", "Bounds", "MalformedError", "Message", "claim_stdout", "pack", "receive", "to_npy"]


class MalformedError(Exception):
    """What was sent is no message, or a larger one than is taken."""


@dataclass(frozen=True)
class Bounds:
    """The most that one message may hold: bytes of the header, bytes of each blob (None: any), and blobs."""

    header_bytes: int
    blob_bytes: int | None
    blobs: int


SMALL = Bounds(header_bytes=1 << 16, blob_bytes=1 << 16, blobs=3)
"""Enough for the outputs of one image."""


@dataclass(frozen=True)
class Message:
    """A header and the blobs behind it."""

    header: Mapping[str, Any]
    blobs: tuple[bytes, ...] = ()


def pack(header: Mapping[str, Any], *blobs: bytes) -> bytes:
    """Return a message as bytes."""
    return json.dumps({**header, "sizes": [len(blob) for blob in blobs]}).encode() + b"\n" + b"".join(blobs)


def receive(stream: BinaryIO, bounds: Bounds | None = None) -> Message | None:
    """Return the next message of a stream, None at its end; without `bounds` the sender is believed.

    Raises MalformedError for what is no message, is cut short or is larger than `bounds`.
    """
    line = stream.readline(-1 if bounds is None else bounds.header_bytes + 1)
    if not line:
        return None
    if not line.endswith(b"\n"):
        raise MalformedError("a header without an end")
    header, sizes = _parse(line)
    if bounds is not None:
        _check(sizes, bounds)
    blobs = tuple(stream.read(size) for size in sizes)
    if [len(blob) for blob in blobs] != sizes:
        raise MalformedError("a blob that is cut short")
    return Message(header, blobs)


def claim_stdout() -> BinaryIO:
    """Return stdout for messages alone; what libraries print from now on goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def to_npy(array: Any) -> bytes:
    """Return an array in npy format."""
    import numpy as np

    held = io.BytesIO()
    np.save(held, array, allow_pickle=False)
    return held.getvalue()


def _parse(line: bytes) -> tuple[dict[str, Any], list[int]]:
    try:
        header = json.loads(line)
        sizes = header.pop("sizes")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MalformedError("a header that is no JSON object with sizes") from error
    if not isinstance(sizes, list) or not all(type(size) is int and size >= 0 for size in sizes):
        raise MalformedError("sizes that are none")
    return header, sizes


def _check(sizes: list[int], bounds: Bounds) -> None:
    if len(sizes) > bounds.blobs:
        raise MalformedError(f"{len(sizes)} blobs")
    if bounds.blob_bytes is not None and any(size > bounds.blob_bytes for size in sizes):
        raise MalformedError("a blob that is too large")
