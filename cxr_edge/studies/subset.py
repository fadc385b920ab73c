"""The films of a study: fewer of them where time is short, chosen by patient and always the same."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict

import numpy as np
import numpy.typing as npt

from cxr_edge.data.dataset import Dataset, Item
from cxr_edge.errors import UsageError
from cxr_edge.metrics.confusion import Bools

__all__ = ["HELD_OUT", "Truth", "describe", "thin", "truth_of"]

HELD_OUT = ("val", "test")
"""The splits that a training does not see; a data set may lack the second."""

_LEAST = 8


@dataclasses.dataclass(frozen=True)
class Truth:
    """What is true of the films of a split: which are positive (n,), and their sources."""

    positive: Bools
    sources: tuple[str, ...]


def thin(dataset: Dataset, films: int | None) -> Dataset:
    """Return the data set with about `films` training films, in the classes' proportion; val and test stay whole.

    Whole patients are taken in the order of a hash of their ids, so that fewer films are a part of more. Raises
    UsageError for under 8 films.
    """
    if films is None:
        return dataset
    if films < _LEAST:
        raise UsageError(f"--films {films}: a training needs {_LEAST} films at least")
    training = [item for item in dataset.items if item.split == "train"]
    kept: set[str] = set()
    for label in dataset.labels:
        own = [item for item in training if item.label == label]
        kept |= _take(own, round(films * len(own) / max(len(training), 1)))
    items = tuple(item for item in dataset.items if item.split != "train" or item.item_id in kept)
    return dataclasses.replace(dataset, items=items)


def truth_of(dataset: Dataset, *splits: str) -> Truth:
    """Return what is true of the films of some splits, split by split."""
    items: list[Item] = []
    for split in splits:
        items += [item for item in dataset.items if item.split == split]
    positive: npt.NDArray[np.bool_] = np.array([item.label == dataset.positive for item in items], dtype=np.bool_)
    return Truth(positive, tuple(item.source for item in items))


def describe(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Return how many films and patients of each class each split has."""
    counts: dict[str, dict[str, int]] = {}
    for split in ("train", "val", "test"):
        own = [item for item in dataset.items if item.split == split]
        counts[split] = {label: sum(item.label == label for item in own) for label in dataset.labels}
        counts[split]["patients"] = len({item.patient_id for item in own})
    return counts


def _take(items: list[Item], wanted: int) -> set[str]:
    patients: dict[str, list[str]] = defaultdict(list)
    for item in items:
        patients[item.patient_id].append(item.item_id)
    order = sorted(patients, key=lambda patient: hashlib.sha256(patient.encode()).digest())
    taken: set[str] = set()
    for patient in order:
        if len(taken) >= wanted:
            break
        taken.update(patients[patient])
    return taken
