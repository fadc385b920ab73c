"""The process that `sandbox.Sandbox` starts: limits itself, then opens one model and runs it film by film.

It is given its limits as JSON on the command line and all else over stdin, and answers over stdout: a message is JSON
with a list of sizes, and then as many blobs, a model file or arrays in npy format. Nothing is ever unpickled.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
import time
from typing import Any, BinaryIO

from cxr_edge.processes.limits import Limits, impose

__all__ = ["main", "pack", "to_npy"]

_GRACE_S = 5


def main() -> None:
    """Serve one model until stdin ends."""
    limits = Limits(**json.loads(sys.argv[1]))
    impose(limits)
    # Before numpy is imported: a thread for each core would take the address space of many.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    answers = os.fdopen(os.dup(1), "wb")
    # What libraries print goes to stderr.
    os.dup2(2, 1)
    _serve(sys.stdin.buffer, answers, limits.wall_s)


def pack(message: dict[str, Any], *blobs: bytes) -> bytes:
    """Return a message with its blobs as bytes: a line of JSON, and the blobs behind it."""
    return json.dumps(message | {"sizes": [len(blob) for blob in blobs]}).encode() + b"\n" + b"".join(blobs)


def to_npy(array: Any) -> bytes:
    """Return an array in npy format."""
    import numpy as np

    held = io.BytesIO()
    np.save(held, array, allow_pickle=False)
    return held.getvalue()


def _receive(stream: BinaryIO) -> tuple[dict[str, Any], list[bytes]] | None:
    line = stream.readline()
    if not line:
        return None
    message: dict[str, Any] = json.loads(line)
    return message, [stream.read(size) for size in message["sizes"]]


def _serve(requests: BinaryIO, answers: BinaryIO, wall_s: float) -> None:
    import signal

    from cxr_edge.errors import CxrEdgeError

    runtime: Any = None
    while (received := _receive(requests)) is not None:
        message, (blob,) = received
        # Who asked kills this process in time, unless it was killed itself.
        signal.alarm(math.ceil(wall_s) + _GRACE_S)
        try:
            if message["task"] == "open":
                runtime, answer = _open(message, blob)
                reply = pack(answer)
            else:
                reply = _run(runtime, blob)
        except (CxrEdgeError, MemoryError) as error:
            reply = pack({"error": str(error) or "it ran out of memory"})
        answers.write(reply)
        answers.flush()
        signal.alarm(0)


def _open(message: dict[str, Any], content: bytes) -> tuple[Any, dict[str, Any]]:
    from cxr_edge.runtimes.registry import open_content

    start = time.perf_counter()
    runtime = open_content(content, message["format"], threads=message["threads"], name=message["name"])
    info = runtime.info
    return runtime, {
        "load_s": time.perf_counter() - start,
        "cpu_s": time.process_time(),
        "info": [info.library, info.version, info.threads, info.delegate],
    }


def _run(runtime: Any, blob: bytes) -> bytes:
    import numpy as np

    pixels = np.load(io.BytesIO(blob), allow_pickle=False)
    start = time.perf_counter()
    outputs = runtime.run(pixels)
    answer = {"time_s": time.perf_counter() - start, "cpu_s": time.process_time(), "outputs": list(outputs)}
    return pack(answer, *(to_npy(values) for values in outputs.values()))


if __name__ == "__main__":
    main()
