"""A fresh process for everything that loads an artifact: asked in JSON, answers in JSON.

A native library that crashes, hangs or keeps memory then costs one row of the report and not the run, and nothing is
timed in a process that another artifact has warmed up.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from cxr_edge.errors import RuntimeFailure
from cxr_edge.system.text import first_line

__all__ = ["ask"]

TIMEOUT_S = 1800.0

_COMMAND = (sys.executable, "-m", "cxr_edge.benchmarks.measure.worker")
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "ORT_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore"}


def ask(
    request: Mapping[str, Any], *, name: str, command: Sequence[str] = _COMMAND, timeout_s: float = TIMEOUT_S
) -> dict[str, Any]:
    """Return the answer of a fresh process to `request`, a task of `worker`. `name` is the artifact it is about.

    Raises RuntimeFailure with the artifact's own error, or with how the process ended when it gave no answer.
    """
    threads = str(request.get("threads", 1))
    # TensorFlow takes its thread counts from here only before it is imported.
    environment = os.environ | _QUIET | {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
    # In an empty folder, for `-m` puts the current one in front of the import path.
    with tempfile.TemporaryDirectory(prefix="cxr-edge-") as folder:
        try:
            done = subprocess.run(
                command,
                input=json.dumps(request).encode(),
                capture_output=True,
                cwd=folder,
                env=environment,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeFailure(
                f"{name}: gave no answer in {timeout_s:.0f} s; run it by 'cxr-edge classify' to see why"
            ) from error
        except OSError as error:
            raise RuntimeFailure(
                f"{name}: no process could be started for it ({first_line(error)}); free some memory"
            ) from error
    return _read_answer(done, name)


def _read_answer(done: subprocess.CompletedProcess[bytes], name: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise RuntimeFailure(f"{name}: its process {_describe_end(done)}; export it again or leave it out") from error
    if "error" in answer:
        raise RuntimeFailure(str(answer["error"]))
    return answer


def _describe_end(done: subprocess.CompletedProcess[bytes]) -> str:
    complaint = _complaint(done.stderr.decode("utf-8", "replace"))
    if done.returncode >= 0:
        return f"ended with code {done.returncode}{complaint}"
    try:
        cause = signal.Signals(-done.returncode).name
    except ValueError:
        cause = f"signal {-done.returncode}"
    hint = ", which is also how the system ends a process when memory runs out" if cause == "SIGKILL" else ""
    return f"was killed by {cause}{hint}{complaint}"


def _complaint(text: str) -> str:
    """Return the line of stderr that says most: the exception of a traceback, else the first line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    return f" ({lines[-1] if lines[0].startswith('Traceback') else lines[0]})"
