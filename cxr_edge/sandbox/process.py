"""The process of a sandbox and its pipes: messages are written and read against the clock, and nothing is believed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cxr_edge.contract import OUTPUT_SIZES
from cxr_edge.errors import SandboxError
from cxr_edge.processes.limits import Limits
from cxr_edge.system.text import first_line

__all__ = ["SandboxProcess"]

_MAX_HEADER_BYTES = 1 << 16
_MAX_BLOB_BYTES = 1 << 16
_MAX_COMPLAINT = 300
_PIECE_BYTES = 1 << 16
_DYING_S = 1.0
_GLANCE_S = 0.005


class SandboxProcess:
    """One process of `_worker` under `limits`. Whatever goes wrong kills it, with all that it started."""

    def __init__(self, name: str, limits: Limits) -> None:
        if not hasattr(os, "waitid"):
            raise SandboxError(
                f"{name}: this system has no sandbox for models of others; run them on Linux, or trust this one by "
                "'cxr-edge verify --trust'"
            )
        self._name = name
        self._limits = limits
        self._folder = tempfile.TemporaryDirectory(prefix="cxr-edge-")
        self._left = b""
        stated = json.dumps(dataclasses.asdict(limits))
        try:
            with self._complaints.open("wb") as complaints:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-m", "cxr_edge.sandbox.worker", stated],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=complaints,
                    cwd=self._folder.name,
                    env={},
                    start_new_session=True,
                )
        except OSError as error:
            self._folder.cleanup()
            raise SandboxError(f"{name}: no process could be started for it ({first_line(error)})") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._stdin, False)
        os.set_blocking(self._stdout, False)

    @property
    def _complaints(self) -> Path:
        return Path(self._folder.name, "stderr")

    def ask(self, request: bytes) -> tuple[dict[str, Any], list[bytes]]:
        """Return the child's answer to a message, and its blobs. Raises SandboxError."""
        try:
            deadline = time.monotonic() + self._limits.wall_s
            line = self._exchange(memoryview(request), deadline)
            answer = self._parse(line)
            blobs = [self._take(size, deadline) for size in answer["sizes"]]
        except SandboxError:
            self._kill()
            raise
        if "error" in answer:
            raise SandboxError(" ".join(str(answer["error"]).split())[:_MAX_COMPLAINT])
        return answer, blobs

    def is_running(self) -> bool:
        """Return whether the process is still there."""
        return self._process.returncode is None and not self._has_ended()

    def close(self) -> None:
        """Kill the process with all that it started, and remove its folder."""
        self._kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._folder.cleanup()

    def _has_ended(self) -> bool:
        # Left unreaped: until then nobody else gets its number, which is that of its session.
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _kill(self) -> None:
        """Kill the whole session, also where the process that began it has ended and left others behind."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _wait(self, deadline: float, *, writing: bool = False) -> tuple[bool, bool]:
        """Wait until there is something to read or, when `writing`, room to write, and return which."""
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        if writing:
            poll.register(self._stdin, select.POLLOUT)
        ready = {place for place, _ in poll.poll(1e3 * max(0.0, deadline - time.monotonic()))}
        if not ready:
            raise SandboxError(f"{self._name}: gave no answer in {self._limits.wall_s:g} s; do not use it")
        return self._stdout in ready, self._stdin in ready

    def _exchange(self, request: memoryview, deadline: float) -> bytes:
        """Write the request and return the first line of the answer."""
        while b"\n" not in self._left:
            if len(self._left) > _MAX_HEADER_BYTES:
                raise SandboxError(f"{self._name}: its sandbox gave no proper answer; do not use it")
            readable, writable = self._wait(deadline, writing=bool(request))
            if writable:
                try:
                    request = request[os.write(self._stdin, request[:_PIECE_BYTES]) :]
                except BrokenPipeError:
                    request = request[:0]
            if readable:
                self._left += self._read()
        line, _, self._left = self._left.partition(b"\n")
        return line

    def _take(self, size: int, deadline: float) -> bytes:
        while len(self._left) < size:
            self._wait(deadline)
            self._left += self._read()
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def _read(self) -> bytes:
        piece = os.read(self._stdout, _PIECE_BYTES)
        if not piece:
            end = time.monotonic() + _DYING_S
            while not self._has_ended():
                if time.monotonic() > end:
                    raise SandboxError(f"{self._name}: its sandbox stopped answering; do not use it")
                time.sleep(_GLANCE_S)
            self._kill()
            raise SandboxError(f"{self._name}: its sandbox {self._describe_end()}; do not use it")
        return piece

    def _describe_end(self) -> str:
        code = self._process.returncode
        if code >= 0:
            return f"ended with code {code}{self._complaint()}"
        if -code == signal.SIGXCPU:
            return f"used the {self._limits.cpu_s} s of processor time that it may"
        known = {item.value for item in signal.Signals}
        cause = signal.Signals(-code).name if -code in known else f"signal {-code}"
        return f"was killed by {cause}{self._complaint()}"

    def _complaint(self) -> str:
        text = self._complaints.read_bytes()[-_MAX_HEADER_BYTES:].decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return f" ({lines[-1][:_MAX_COMPLAINT]})" if lines else ""

    def _parse(self, line: bytes) -> dict[str, Any]:
        """Return a header, none of whose sizes is large. The process may have been taken over: nothing is believed."""
        try:
            answer = json.loads(line)
            sizes = answer["sizes"]
            if len(sizes) <= len(OUTPUT_SIZES) and all(
                type(size) is int and 0 <= size <= _MAX_BLOB_BYTES for size in sizes
            ):
                found: dict[str, Any] = answer
                return found
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise SandboxError(f"{self._name}: its sandbox gave no proper answer; do not use it")
