"""Start a new process for every task that loads an artifact: send it one request, read one answer.

If a native library crashes, hangs or keeps memory, only one row of the report is lost, not the run. No artifact is
timed in a process that another artifact has warmed up.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from cxr_edge.errors import RuntimeFailure
from cxr_edge.processes.child import Child, ChildError
from cxr_edge.processes.commands import python_command
from cxr_edge.processes.messages import Bounds, pack
from cxr_edge.system.text import first_line

__all__ = ["WORKER", "ask"]

TIMEOUT_S = 1800.0
WORKER = "cxr_edge.benchmarks.measure.worker"
"""The module that the process runs, here or on a device."""

# The probabilities of a million images are in a header; arrays go through files.
_BOUNDS = Bounds(header_bytes=2**27, blob_bytes=0, blobs=0)
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "ORT_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore"}


def ask(
    request: Mapping[str, Any], *, name: str, command: Sequence[str] | None = None, timeout_s: float = TIMEOUT_S
) -> dict[str, Any]:
    """Return the answer of a new process to `request`, a task of `worker`. `name` is the artifact.

    `command` starts the worker elsewhere; by default it runs in a new Python on this machine. Raises RuntimeFailure
    with the artifact's own error or, without an answer, with how the process ended.
    """
    threads = str(request.get("threads", 1))
    # TensorFlow takes its thread counts from here only before it is imported.
    environment = os.environ | _QUIET | {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
    started = command or python_command(WORKER)
    try:
        # A command for another machine keeps the terminal, which it may ask its user by.
        with Child(started, bounds=_BOUNDS, environment=environment, own_session=command is None) as child:
            answer = child.ask(pack(request), timeout_s=timeout_s).header
    except ChildError as error:
        raise RuntimeFailure(
            f"{name}: its process {error}; run 'cxr-edge classify' with it to see why, export it again, or remove it"
        ) from error
    except OSError as error:
        raise RuntimeFailure(
            f"{name}: no process could be started for it ({first_line(error)}); free some memory"
        ) from error
    if "error" in answer:
        raise RuntimeFailure(str(answer["error"]))
    return dict(answer)
