"""Models that are not ours run in a process of their own, which has limited itself before it saw a byte of them.

It has 1 GiB of address space, 10 s of processor time, no environment, a folder that is removed, and its own session,
which is killed when it gives no answer in time. Limits keep a model from taking the machine down with it; they do not
keep native code that was taken over from reading the user's files or opening a connection (SECURITY.md).
"""

from __future__ import annotations

import contextlib
import io
import weakref
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge.contract import OUTPUT_SIZES, Outputs, Pixels, check_pixels
from cxr_edge.errors import SandboxError
from cxr_edge.processes.limits import STRICT, WIDE, Limits
from cxr_edge.processes.messages import Message, pack, to_npy
from cxr_edge.runtimes.base import RuntimeInfo
from cxr_edge.sandbox.process import SandboxProcess
from cxr_edge.system.extras import need

__all__ = ["Sandbox", "SandboxRun", "open", "run_in_sandbox"]

_MAX_LABELS = 1000


@dataclass(frozen=True, eq=False)
class SandboxRun:
    """What a model answered: outputs by name, n rows each, and the seconds of loading and of each film."""

    outputs: Outputs
    load_s: float
    times_s: tuple[float, ...]


def open(content: bytes, format: str, *, threads: int, name: str) -> Sandbox:
    """Open a model file in a sandbox; `models` has checked its structure. Raises SandboxError, MissingExtraError."""
    return Sandbox(content, format, name=name, threads=threads, limits=WIDE if format == "keras" else STRICT)


def run_in_sandbox(
    content: bytes, format: str, pixels: Pixels, *, name: str, limits: Limits = STRICT, threads: int = 1
) -> SandboxRun:
    """Run the model file `content` on pixels (n, 224, 224, 3) uint8 in a sandbox.

    The file is not checked first; see `preflight.check_artifact`. Raises SandboxError, MissingExtraError.
    """
    with Sandbox(content, format, name=name, limits=limits, threads=threads) as sandbox:
        outputs = sandbox.run(pixels)
        return SandboxRun(outputs, sandbox.load_s, sandbox.times_s)


class Sandbox:
    """A model in a process of its own, as a `runtimes.Runtime`.

    `times_s` are those of the films of the last run, without the way to the process and back. The processor time is
    for each process: one that has used half of it, or that a film has ended, is replaced before the next film.
    """

    def __init__(self, content: bytes, format: str, *, name: str, threads: int = 1, limits: Limits = STRICT) -> None:
        if format == "onnx":
            need("running .onnx files", "onnx", "onnxruntime")
        self._content = content
        self._request = {"task": "open", "format": format, "name": name, "threads": threads}
        self._limits = limits
        self.name = name
        self.times_s: tuple[float, ...] = ()
        self._cpu_s = 0.0
        self._start()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, pixels: Pixels) -> Outputs:
        """Run the films one by one; see `Runtime`. Raises SandboxError."""
        check_pixels(pixels, self.name)
        rows: dict[str, list[Any]] = {}
        times_s = []
        for film in pixels:
            if self._cpu_s > self._limits.cpu_s / 2 or not self._child.is_running():
                self.close()
                self._start()
            answer = self._child.ask(pack({"task": "run"}, to_npy(film[None])))
            self._cpu_s = _number(answer, "cpu_s", self.name)
            times_s.append(_number(answer, "time_s", self.name))
            outputs = _read_outputs(answer, self.name)
            if rows and set(rows) != set(outputs):
                raise SandboxError(f"{self.name}: its sandbox answered for other outputs than before; do not use it")
            for output, values in outputs.items():
                rows.setdefault(output, []).append(values[0])
        self.times_s = tuple(times_s)
        return {output: np.asarray(values, np.float32) for output, values in rows.items()}

    def close(self) -> None:
        """End the process and remove its folder."""
        self._end()

    def _start(self) -> None:
        with contextlib.ExitStack() as stack:
            self._child = SandboxProcess(self.name, self._limits)
            stack.callback(self._child.close)
            answer = self._child.ask(pack(self._request, self._content))
            self.load_s = _number(answer, "load_s", self.name)
            self._cpu_s = _number(answer, "cpu_s", self.name)
            self.info = _read_info(answer, self.name)
            # Nobody has to close it: when it is forgotten, its process goes too.
            self._end = weakref.finalize(self, self._child.close)
            stack.pop_all()


def _number(answer: Message, key: str, name: str) -> float:
    value = answer.header.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise SandboxError(f"{name}: its sandbox gave no proper answer; do not use it")
    return float(value)


def _read_info(answer: Message, name: str) -> RuntimeInfo:
    info = answer.header.get("info")
    if isinstance(info, list) and [type(item) for item in info] == [str, str, int, str]:
        library, version, threads, delegate = info
        return RuntimeInfo(library, version, threads, delegate, {"sandbox": True})
    raise SandboxError(f"{name}: its sandbox gave no proper answer; do not use it")


def _read_outputs(answer: Message, name: str) -> Outputs:
    """Return the arrays for one film, which have the names, type and sizes that the contract allows."""
    names, blobs = answer.header.get("outputs"), answer.blobs
    found = {}
    if isinstance(names, list) and len(names) == len(blobs):
        for output, blob in zip(names, blobs, strict=True):
            values = _read_row(blob)
            allowed = OUTPUT_SIZES.get(output, 0) if isinstance(output, str) else 0
            if values is not None and allowed in (None, values.shape[1]):
                found[output] = values
    if len(found) != len(blobs) or "probabilities" not in found:
        raise SandboxError(f"{name}: its sandbox answered with other outputs than the contract has; do not use it")
    return found


def _read_row(blob: bytes) -> npt.NDArray[np.float32] | None:
    """Return a float32 array (1, n) in npy format, None for anything else. What its header claims is not allocated."""
    stream = io.BytesIO(blob)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            return None
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    data = blob[stream.tell() :]
    width = len(data) // 4
    if dtype != np.dtype("<f4") or shape != (1, width) or len(data) % 4 or not 0 < width <= _MAX_LABELS:
        return None
    return np.frombuffer(data, "<f4").reshape(1, -1).astype(np.float32)
