"""Where a training run stands, in one file that a killed run goes on from."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cxr_edge.bundles.golden import UNREADABLE
from cxr_edge.errors import TrainingError
from cxr_edge.system import files
from cxr_edge.system.text import first_line

__all__ = ["Checkpoint", "Epoch"]

Epoch = dict[str, float]
"""The figures of an epoch, as history.json has them."""

_LISTS = ("weights", "best", "optimizer", "average")
_MAX_BYTES = 4 * 2**30


@dataclass
class Checkpoint:
    """Where a run stands: the stage and epoch to do next, every epoch's figures, and all weights."""

    path: Path
    stage: int = 0
    epoch: int = 0
    history: list[Epoch] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)
    best: list[Any] = field(default_factory=list)
    optimizer: list[Any] = field(default_factory=list)
    average: list[Any] = field(default_factory=list)

    def write(self, run: str) -> None:
        """Write all of it as one file, atomically; `run` identifies options and data."""
        arrays = {"state": np.array(json.dumps([run, self.stage, self.epoch, self.history]))}
        for name in _LISTS:
            arrays |= {f"{name}_{number:04d}": value for number, value in enumerate(getattr(self, name))}
        with files.atomic_write(self.path) as handle:
            np.savez(handle, allow_pickle=False, **arrays)

    def finish_stage(self, weights: list[Any]) -> None:
        """Go on to the next stage, which starts from `weights`."""
        self.stage += 1
        self.epoch = 0
        self.weights = weights
        self.best, self.optimizer, self.average = [], [], []

    @classmethod
    def read(cls, path: Path, run: str) -> Checkpoint:
        """Read what `write` wrote. Raises TrainingError when it is of another run or damaged."""
        try:
            with np.load(io.BytesIO(files.read_capped(path, _MAX_BYTES)), allow_pickle=False) as stored:
                written_by, stage, epoch, history = json.loads(str(stored["state"]))
                lists = {name: _read_list(stored, name) for name in _LISTS}
        except UNREADABLE as error:
            raise TrainingError(
                f"{path}: damaged checkpoint ({first_line(error)}); remove it and start again without --resume"
            ) from error
        if written_by != run:
            raise TrainingError(f"{path}: made with other options or data; repeat those, or start without --resume")
        return cls(path, stage, epoch, history, **lists)


def _read_list(stored: Any, name: str) -> list[Any]:
    return [stored[key] for key in sorted(stored.files) if key.startswith(f"{name}_")]
