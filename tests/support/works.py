"""Works for the engines' tests. In a module of their own, since worker processes import them by name."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from cxr_edge.errors import DataError, MissingExtraError


@dataclass
class Doubler:
    """Doubles a number, and notes in `folder` which process opened it. A task "die" kills its worker."""

    folder: Path
    deaths: int = 0
    _factor: int = 0

    def open(self) -> None:
        (self.folder / f"opened-{os.getpid()}").touch()
        self._factor = 2

    def run(self, task: int | str) -> int:
        if task == "wait":
            time.sleep(60)
        if isinstance(task, str):
            died = len(list(self.folder.glob(f"{task}-died-*")))
            if died < self.deaths:
                (self.folder / f"{task}-died-{died}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return -1
        return task * self._factor


@dataclass
class Refuser:
    """Raises an error, when it is opened or when it runs."""

    when: str

    def open(self) -> None:
        if self.when == "open":
            raise MissingExtraError("running .onnx files", "onnx")

    def run(self, task: int) -> int:
        raise DataError(f"{task}: cannot be done; do another")


def train(*, seed: int, folder: str) -> dict[str, float]:
    """A training of a study: notes that it ran."""
    with (Path(folder) / f"ran-{seed}").open("a") as handle:
        handle.write("once\n")
    return {"auc": seed / 10}
