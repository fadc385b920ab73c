"""What a stage reads: films that every epoch augments anew, or the activations of its frozen part, kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cxr_edge.contract import Pixels
from cxr_edge.system import files
from cxr_edge.system.progress import Progress
from cxr_edge.training.distillation import Teachers
from cxr_edge.training.network.frozen_backbone import Front
from cxr_edge.training.training_set import Read, Rows, TrainingSet

__all__ = ["AugmentedFilms", "CachedActivations", "StageInputs"]

Floats = npt.NDArray[np.float32]

_BATCH = 64


class StageInputs(Protocol):
    """What `Batches` asks for the inputs of an epoch."""

    def read(self, epoch: int) -> Read:
        """Return the function that reads a batch of the epoch."""
        ...


class AugmentedFilms:
    """The training films as an epoch augments them; the targets are their labels, or what `teachers` say of them."""

    def __init__(self, training: TrainingSet, teachers: Teachers | None) -> None:
        self.training = training
        self.teachers = teachers

    def read(self, epoch: int) -> Read:
        """Return the function that augments a batch of the epoch."""
        return lambda rows, start: self.augment(epoch, rows, start)

    def augment(self, epoch: int, rows: Rows, start: int) -> tuple[Pixels, Floats]:
        """Return the films `rows` as they stand from the place `start` of an epoch on, and their targets."""
        films = self.training.films
        pixels = self.training.batch(epoch, rows, start)
        if self.teachers is None:
            return pixels, films.targets[rows]
        return pixels, self.teachers.score(pixels, [films.sources[row] for row in rows])


@dataclass(frozen=True)
class _Copy:
    """One augmented copy of the films: activations (n, ...) in half precision, and targets (n, labels)."""

    activations: npt.NDArray[np.float16]
    targets: Floats


class CachedActivations:
    """The frozen part's activations of a few augmented copies of the films, which the epochs take in turn.

    They lie in `folder` under a name that starts with `key`, so that a run that is resumed finds them there. `label`
    names the stage on the progress line.
    """

    def __init__(self, front: Front, films: AugmentedFilms, copies: int, *, folder: Path, key: str, label: str) -> None:
        self.front = front
        self.films = films
        self.copies = copies
        self.folder = folder
        self.key = key
        self.label = label
        self._opened: dict[int, _Copy] = {}

    def read(self, epoch: int) -> Read:
        """Return the function that reads a batch of the epoch's copy; the copy is made first where it is missing."""
        number = epoch % self.copies
        if number not in self._opened:
            self._opened[number] = self._open(number)
        copy = self._opened[number]

        def take(rows: Rows, start: int) -> tuple[Floats, Floats]:
            place = slice(start, start + len(rows))
            return np.asarray(copy.activations[place], dtype=np.float32), copy.targets[place]

        return take

    def _open(self, number: int) -> _Copy:
        path = self.folder / f"{self.key}-{number}.npy"
        targets_path = path.with_suffix(".targets.npy")
        if not path.is_file():
            copy = self._make(number)
            # The activations come last: where they are, the targets are too.
            _save(targets_path, copy.targets)
            _save(path, copy.activations)
        return _Copy(np.load(path, mmap_mode="r"), np.load(targets_path))

    def _make(self, number: int) -> _Copy:
        training = self.films.training
        rows = training.order(number)
        # Half precision is finer than the noise of augmentation, and halves what a long run keeps on disk.
        activations = np.empty((len(rows), *self.front.shape), dtype=np.float16)
        targets = np.empty((len(rows), training.films.targets.shape[1]), dtype=np.float32)
        with Progress(f"{self.label}, caching copy {number + 1}", len(rows)) as progress:
            for start in range(0, len(rows), _BATCH):
                place = slice(start, start + _BATCH)
                pixels, targets[place] = self.films.augment(number, rows[place], start)
                activations[place] = self.front.run(pixels)
                progress.advance(len(pixels))
        return _Copy(activations, targets)


def _save(path: Path, values: npt.NDArray[Any]) -> None:
    with files.atomic_write(path) as handle:
        np.save(handle, values)
