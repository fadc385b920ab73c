"""A few large tasks with names, trainings say: each result is a file, so that a run that was stopped goes on.

    results = named.run_all([Task("seed0", train_once, {"seed": 0}), ...], folder, engine="ray")

A function is sent by its name, so it must be importable where it runs, and its result must be JSON.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxr_edge import engines, files
from cxr_edge.errors import RuntimeFailure, UsageError

__all__ = ["Task", "run_all"]


@dataclass(frozen=True)
class Task:
    """A call `function(**arguments)` under a `name` that can be a file's; the arguments must be JSON."""

    name: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def call(self) -> dict[str, Any]:
        """What is called, as it stands in the result's file."""
        name = f"{self.function.__module__}.{self.function.__qualname__}"
        call: dict[str, Any] = json.loads(json.dumps({"function": name, "arguments": dict(self.arguments)}))
        return call


class _Calls:
    """The work of a worker that calls what it is given."""

    def open(self) -> None:
        """Nothing: a task brings all that it needs."""

    def run(self, task: Task) -> Any:
        """Return what the task's function returns."""
        return task.function(**task.arguments)


def run_all(
    tasks: Sequence[Task],
    folder: Path,
    *,
    engine: str = "local",
    workers: int | None = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Return the results by name, each read from or written to `folder`/NAME.json, whole or not at all.

    Tasks that have their file are not run again. One runs at a time unless `workers` says more; with None, as many as
    there are cores. `progress` is told (done, total). Raises UsageError where a file is of another call, RuntimeFailure
    when a task's workers died each time, OutputError, and what a task raises.
    """
    results: dict[str, Any] = {}
    for task in tasks:
        path = folder / f"{task.name}.json"
        if path.exists():
            results[task.name] = _read(path, task)
    left = [task for task in tasks if task.name not in results]
    with contextlib.closing(engines.run(engine, _Calls(), left, workers=workers)) as answers:
        for task, answer in answers:
            if isinstance(answer, engines.Lost):
                raise RuntimeFailure(f"{task.name}: {answer.reason}; give it more memory, and run it again")
            files.write_json(folder / f"{task.name}.json", {"call": task.call, "result": answer})
            results[task.name] = json.loads(json.dumps(answer))
            if progress is not None:
                progress(len(results), len(tasks))
    return {task.name: results[task.name] for task in tasks}


def _read(path: Path, task: Task) -> Any:
    stored = files.read_json(path)
    if not isinstance(stored, dict) or stored.get("call") != task.call:
        raise UsageError(f"{path}: is the result of another call than this one; choose another folder, or remove it")
    return stored["result"]
