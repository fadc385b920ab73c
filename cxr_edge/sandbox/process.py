"""The process of a sandbox, whose answers and end become a SandboxError where they are not what was asked for."""

from __future__ import annotations

import dataclasses
import json
import os

from cxr_edge.errors import SandboxError
from cxr_edge.processes.child import Child, ChildError
from cxr_edge.processes.commands import python_command
from cxr_edge.processes.limits import Limits
from cxr_edge.processes.messages import SMALL, Message
from cxr_edge.system.text import first_line

__all__ = ["SandboxProcess"]

_WORKER = "cxr_edge.sandbox.worker"
_MAX_COMPLAINT = 300


class SandboxProcess:
    """One process of `worker` under `limits`, for the model called `name`. Raises SandboxError when it cannot start."""

    def __init__(self, name: str, limits: Limits) -> None:
        if not hasattr(os, "waitid"):
            raise SandboxError(
                f"{name}: this system has no sandbox for models of others; run them on Linux, or trust this one by "
                "'cxr-edge verify --trust'"
            )
        self._name = name
        self._limits = limits
        command = python_command(_WORKER, json.dumps(dataclasses.asdict(limits)), isolated=True)
        try:
            self._child = Child(command, bounds=SMALL, environment={})
        except OSError as error:
            raise SandboxError(f"{name}: no process could be started for it ({first_line(error)})") from error

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._child.pid

    def ask(self, request: bytes) -> Message:
        """Return the answer to a message. Raises SandboxError with what the runtime says, or with how it ended."""
        limits = self._limits
        try:
            answer = self._child.ask(request, timeout_s=limits.wall_s, cpu_s=limits.cpu_s)
        except ChildError as error:
            raise SandboxError(f"{self._name}: its sandbox {error}; do not use it") from error
        if "error" in answer.header:
            raise SandboxError(" ".join(str(answer.header["error"]).split())[:_MAX_COMPLAINT])
        return answer

    def is_running(self) -> bool:
        """Return whether the process is still there."""
        return self._child.is_running()

    def close(self) -> None:
        """Kill the process with all that it started, and remove its folder."""
        self._child.close()
