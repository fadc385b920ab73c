"""A child process that answers messages, one at a time and against the clock, and the words for how it ended.

bench, the sandbox and the engines all start their processes here. Threads write the requests and read the answers, so
that whoever asks can stop waiting: then the child is killed with all that it started.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_edge.processes.messages import Bounds, MalformedError, Message, receive

__all__ = ["Answer", "Child", "ChildError"]

_MAX_COMPLAINT = 300
_COMPLAINT_BYTES = 1 << 16
_DYING_S = 1.0
_GLANCE_S = 0.005


class ChildError(Exception):
    """A child gave no proper answer; the text is a predicate, as in "was killed by SIGSEGV"."""


@dataclass(frozen=True)
class Answer:
    """What came back from `child`: a message, or the `fault` that kept it from answering."""

    child: Child
    message: Message | None
    fault: str = ""


class Child:
    """A process that is asked by messages. Whoever makes one closes it, or uses it in a `with` block.

    It runs in `folder`, by default an empty one of its own, with `environment`, by default ours. With `keep_stderr` its
    last complaint is part of `ChildError`, else its stderr is ours. Answers come to `answers`, which several children
    may share. With `own_session` it gets a session of its own, all of which is killed when it is. Raises OSError when
    it cannot start.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        bounds: Bounds | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        keep_stderr: bool = True,
        own_session: bool = True,
        answers: queue.Queue[Answer] | None = None,
    ) -> None:
        self._bounds = bounds
        self._answers: queue.Queue[Answer] = queue.Queue() if answers is None else answers
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # One for each answer that is due: what a child says unasked is not read.
        self._due: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._own_session = own_session and hasattr(os, "killpg")
        self._limit_s: int | None = None
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="cxr-edge-")
        self._working_folder = folder or Path(self._folder.name)
        self._stderr = Path(self._folder.name, "stderr") if keep_stderr else None
        try:
            self._process = self._start(command, environment)
        except OSError:
            self._folder.cleanup()
            raise
        for loop in (self._write, self._read):
            threading.Thread(target=loop, name="cxr-edge-child", daemon=True).start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How the process ended, as `subprocess` says it; None while it is there."""
        return self._process.returncode

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, request: bytes, *, timeout_s: float, cpu_s: int | None = None) -> Message:
        """Return the answer to a message. Raises ChildError, and the child is then dead.

        `cpu_s` is the processor time that the child has given itself, for the words of its end.
        """
        self._limit_s = cpu_s
        self.send(request)
        try:
            answer = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            self.kill()
            raise ChildError(f"gave no answer in {timeout_s:g} s") from None
        if answer.message is None:
            raise ChildError(answer.fault)
        return answer.message

    def send(self, request: bytes) -> None:
        """Hand over a message; its answer, or the child's end, will be among the answers."""
        self._requests.put(request)
        self._due.put(True)

    def is_running(self) -> bool:
        """Return whether the process is still there."""
        return self._process.returncode is None and not self._has_ended()

    def kill(self) -> None:
        """Kill the process, and its whole session where it has one, also where others outlive the first of it."""
        # Its own thread may be killing it too; a number that was reaped may be another process'.
        with self._lock:
            if self._process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if self._own_session:
                    os.killpg(self._process.pid, signal.SIGKILL)
                else:
                    self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Kill the process and remove its folder."""
        self._stop()
        self.kill()
        self._folder.cleanup()

    def end(self, *, timeout_s: float) -> None:
        """Let a child that waits for a message end by itself, and kill it when it does not in time; then close."""
        self._stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        self.close()

    def _start(self, command: Sequence[str], environment: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
        with contextlib.ExitStack() as stack:
            stderr = None if self._stderr is None else stack.enter_context(self._stderr.open("wb"))
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=self._working_folder,
                env=environment,
                start_new_session=self._own_session,
            )

    def _stop(self) -> None:
        """Let both threads end, and with them the child's stdin."""
        self._requests.put(None)
        self._due.put(False)

    def _write(self) -> None:
        """Write the requests, until there are no more or the child takes none."""
        stdin: Any = self._process.stdin
        # That a child has died is told of by the end of what it sends.
        with contextlib.suppress(OSError), stdin:
            while (request := self._requests.get()) is not None:
                stdin.write(request)
                stdin.flush()

    def _read(self) -> None:
        """Read an answer for each request, until no more is due or the child has ended."""
        stdout: Any = self._process.stdout
        with contextlib.suppress(OSError), stdout:
            while self._due.get():
                answer = self._receive(stdout)
                self._answers.put(answer)
                if answer.message is None:
                    return

    def _receive(self, stdout: Any) -> Answer:
        try:
            message = receive(stdout, self._bounds)
        except MalformedError:
            self.kill()
            return Answer(self, None, "gave no proper answer")
        return Answer(self, message) if message is not None else Answer(self, None, self._bury())

    def _bury(self) -> str:
        """Return how the child ended, now that it sends no more."""
        end_s = time.monotonic() + _DYING_S
        while not self._has_ended():
            if time.monotonic() > end_s:
                self.kill()
                return "stopped answering"
            time.sleep(_GLANCE_S)
        self.kill()
        return self._describe_end()

    def _has_ended(self) -> bool:
        if self._process.returncode is not None:
            return True
        if not hasattr(os, "waitid"):
            return self._process.poll() is not None
        # Left unreaped: until then nobody else gets its number, which is that of its session.
        with contextlib.suppress(ChildProcessError):
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        return True

    def _describe_end(self) -> str:
        code = self._process.returncode
        if code >= 0:
            return f"ended with code {code}{self._complaint()}"
        if hasattr(signal, "SIGXCPU") and -code == signal.SIGXCPU and self._limit_s is not None:
            return f"used the {self._limit_s} s of processor time that it may"
        known = {item.value for item in signal.Signals}
        cause = signal.Signals(-code).name if -code in known else f"signal {-code}"
        hint = ", which is also how the system ends a process when memory runs out" if cause == "SIGKILL" else ""
        return f"was killed by {cause}{hint}{self._complaint()}"

    def _complaint(self) -> str:
        """Return the line of stderr that says most: the exception of a traceback, else the first line, in brackets."""
        if self._stderr is None:
            return ""
        text = self._stderr.read_bytes()[-_COMPLAINT_BYTES:].decode("utf-8", "replace")
        # TFLite says on stderr which delegate it takes.
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("INFO:")]
        if not lines:
            return ""
        told = lines[-1] if lines[0].startswith("Traceback") else lines[0]
        return f" ({told[:_MAX_COMPLAINT]})"
