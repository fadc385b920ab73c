"""The films of a training run: which are shown in an epoch, how they are changed, and what each one weighs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from cxr_edge.contract import Pixels
from cxr_edge.data.dataset import Dataset
from cxr_edge.errors import DataError
from cxr_edge.training.augment import Augmentation, augment_batch

__all__ = ["Batches", "Films", "Read", "Rows", "TrainingSet", "load_films"]

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Read = Callable[[Rows, int], tuple[Any, Any]]
"""Gives the inputs and targets of one batch: of the films `rows`, which stand at the places from a number on."""


@dataclass(frozen=True)
class Films:
    """Decoded films of one split: pixels (n, 224, 224, 3) uint8, one-hot targets (n, labels), sources.

    `drawn` names the sources whose films are simulated.
    """

    pixels: Pixels
    targets: Floats
    sources: tuple[str, ...]
    drawn: frozenset[str] = frozenset()

    def are_simulated(self) -> npt.NDArray[np.bool_]:
        """Return which films are simulated, (n,)."""
        return np.isin(self.sources, sorted(self.drawn))

    def take(self, rows: npt.NDArray[np.bool_]) -> Films:
        """Return the films at the rows that are true."""
        sources = tuple(source for source, kept in zip(self.sources, rows, strict=True) if kept)
        return Films(self.pixels[rows], self.targets[rows], sources, self.drawn)

    def only_real(self) -> Films:
        """Return the films without the simulated ones; all of them where there are no others."""
        simulated = self.are_simulated()
        return self if simulated.all() or not simulated.any() else self.take(~simulated)


def load_films(dataset: Dataset, split: str, progress: Any = None) -> Films:
    """Decode a split. Raises DataError when it is empty or lacks a class."""
    part = dataset.select(split=split)
    labels = part.targets()
    missing = [name for index, name in enumerate(dataset.labels) if not np.any(labels == index)]
    if missing:
        raise DataError(f"{dataset.name}: split '{split}' has no film of class {', '.join(missing)}; add some")
    one_hot = np.eye(len(dataset.labels), dtype=np.float32)[labels]
    drawn = frozenset(item.source for item in part.items if item.phantom is not None)
    return Films(part.pixels(progress=progress), one_hot, tuple(item.source for item in part.items), drawn)


class TrainingSet:
    """The training films as virtual epochs: epoch k shows the same augmented films whenever it is asked for."""

    def __init__(self, films: Films, *, balance: str, augmentation: Augmentation, seed: int) -> None:
        self.films = films
        self.augmentation = augmentation
        self.seed = seed
        self.balance = balance
        self.weights = _weights(films, balance)
        self.source_numbers = np.unique(np.array(films.sources), return_inverse=True)[1].astype(np.float32)

    def order(self, epoch: int) -> Rows:
        """Return which film stands at each place of epoch `epoch`, in random order."""
        rng = np.random.default_rng([self.seed, epoch])
        labels = self.films.targets.argmax(axis=1)
        rows = [np.arange(len(labels))]
        if self.balance == "augment":
            counts = np.bincount(labels)
            rows += [
                rng.choice(np.flatnonzero(labels == label), counts.max() - count) for label, count in enumerate(counts)
            ]
        return rng.permutation(np.concatenate(rows))

    def batch(self, epoch: int, rows: Rows, start: int) -> Pixels:
        """Return the augmented films at the places start, start + 1 … of an epoch; `rows` says which they are."""
        seeds = [(self.seed, epoch, start + place) for place in range(len(rows))]
        films = [self.films.pixels[row] for row in rows]
        if not self.augmentation.mixup:
            return augment_batch(films, self.augmentation, seeds)
        # Drawn apart from the changes, so that these are the same with mixup and without.
        lots = (np.random.default_rng([*seed, 1]).integers(len(self.films.pixels)) for seed in seeds)
        return augment_batch(films, self.augmentation, seeds, [self.films.pixels[lot] for lot in lots])


class Batches(keras.utils.PyDataset):
    """One epoch for `fit`: inputs and targets from a function of (rows, start), with weights.

    With `ranked` the number of the film's source is the last column of the targets.
    """

    def __init__(self, films: TrainingSet, epoch: int, batch_size: int, read: Read, *, ranked: bool = False) -> None:
        super().__init__(workers=1, max_queue_size=4)
        self.films = films
        self.rows = films.order(epoch)
        self.batch_size = batch_size
        self.read = read
        self.ranked = ranked

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, Floats, Floats]:
        """Return inputs, targets and weights of one batch."""
        start = index * self.batch_size
        rows = self.rows[start : start + self.batch_size]
        inputs, targets = self.read(rows, start)
        if self.ranked:
            targets = np.column_stack([targets, self.films.source_numbers[rows]])
        return inputs, targets, self.films.weights[rows]


def _weights(films: Films, balance: str) -> Floats:
    """Return a weight for each film, 1 on average; classes weigh the same in all, and for "source" in each source."""
    labels = films.targets.argmax(axis=1)
    if balance not in ("weights", "source"):
        return np.ones(len(labels), dtype=np.float32)
    sources = films.sources if balance == "source" else ("all",) * len(labels)
    in_source = Counter(sources)
    groups = list(zip(sources, labels.tolist(), strict=True))
    in_group = Counter(groups)
    # The root keeps a small source audible beside a large one without letting its few films decide alone. A source
    # that holds both classes teaches the disease; one that holds a single class can teach no more than itself.
    weights = np.array([in_source[group[0]] ** 0.5 / in_group[group] for group in groups], dtype=np.float32)
    for label in np.unique(labels):
        weights[labels == label] /= weights[labels == label].sum()
    weights /= weights.mean()
    return weights
