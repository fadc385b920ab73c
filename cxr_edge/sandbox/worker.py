"""The process that `runtime.Sandbox` starts: limits itself, then opens one model and runs it image by image.

It is given its limits as JSON on the command line and all else by messages (`processes.messages`).
"""

from __future__ import annotations

import io
import json
import math
import os
import signal
import sys
import time
from typing import Any, BinaryIO

from cxr_edge.processes.limits import Limits, impose
from cxr_edge.processes.messages import Message, claim_stdout, pack, receive, to_npy

__all__ = ["main"]

_GRACE_S = 5


def main() -> None:
    """Serve one model until stdin ends."""
    limits = Limits(**json.loads(sys.argv[1]))
    impose(limits)
    # Before numpy is imported: a thread for each core would take the address space of many.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    _serve(sys.stdin.buffer, claim_stdout(), limits.wall_s)


def _serve(requests: BinaryIO, answers: BinaryIO, wall_s: float) -> None:
    from cxr_edge.errors import CxrEdgeError

    runtime: Any = None
    while (message := receive(requests)) is not None:
        # Who asked kills this process in time, unless it was killed itself.
        signal.alarm(math.ceil(wall_s) + _GRACE_S)
        try:
            if message.header["task"] == "open":
                runtime, reply = _open(message)
            else:
                reply = _run(runtime, message)
        except (CxrEdgeError, MemoryError) as error:
            reply = pack({"error": str(error) or "it ran out of memory"})
        answers.write(reply)
        answers.flush()
        signal.alarm(0)


def _open(message: Message) -> tuple[Any, bytes]:
    from cxr_edge.runtimes.registry import open_content

    asked, (content,) = message.header, message.blobs
    start = time.perf_counter()
    runtime = open_content(content, asked["format"], threads=asked["threads"], name=asked["name"])
    info = runtime.info
    answer = {
        "load_s": time.perf_counter() - start,
        "cpu_s": time.process_time(),
        "info": [info.library, info.version, info.threads, info.delegate],
    }
    return runtime, pack(answer)


def _run(runtime: Any, message: Message) -> bytes:
    import numpy as np

    (blob,) = message.blobs
    pixels = np.load(io.BytesIO(blob), allow_pickle=False)
    start = time.perf_counter()
    outputs = runtime.run(pixels)
    answer = {"time_s": time.perf_counter() - start, "cpu_s": time.process_time(), "outputs": list(outputs)}
    return pack(answer, *(to_npy(values) for values in outputs.values()))


if __name__ == "__main__":
    main()
