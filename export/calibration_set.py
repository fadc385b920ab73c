"""The films that an int8 conversion learns its ranges from, and those that its result is checked on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from cxr_edge.contract import Pixels
from cxr_edge.data.dataset import Dataset, Item
from cxr_edge.errors import DataError
from cxr_edge.system import files
from cxr_edge.system.progress import Progress

__all__ = [
    "CALIBRATION_DRAWS",
    "CALIBRATION_FILMS",
    "CHECK_FILMS",
    "FIT_FILMS",
    "ExportFilms",
    "FilmSet",
    "RepairFilms",
    "choose_films",
]

CALIBRATION_FILMS = 100
CALIBRATION_DRAWS = 3
CHECK_FILMS = 8
FIT_FILMS = 150


@dataclass(frozen=True)
class FilmSet:
    """Films drawn from a split: their pixels (n, 224, 224, 3) and what identifies them."""

    pixels: Pixels
    item_ids: tuple[str, ...]
    split: str

    def to_json(self) -> dict[str, Any]:
        """Return how many they are, of which split, and a hash of their ids and pixels, for provenance."""
        digest = files.sha256_bytes("\n".join(self.item_ids).encode() + self.pixels.tobytes())
        return {"films": len(self.item_ids), "split": self.split, "sha256": digest}


@dataclass(frozen=True)
class RepairFilms:
    """What a repair works with: the films that weights are fitted on, and further draws of calibration films.

    The draws show how much the choice of calibration films matters, and are used for nothing else.
    """

    fit: FilmSet
    redraws: tuple[FilmSet, ...]


@dataclass(frozen=True)
class ExportFilms:
    """The films of an export: `check` compares artifacts with the Keras model, `calibration` shows int8 its ranges.

    `calibration` is None where no recipe is calibrated, `repair` where int8 is left as the stock tools make it.
    """

    check: FilmSet
    calibration: FilmSet | None = None
    repair: RepairFilms | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what identifies the films, by their use, for provenance."""
        uses = {"check": self.check}
        if self.calibration is not None:
            uses["calibration"] = self.calibration
        if self.repair is not None:
            uses["fit"] = self.repair.fit
            for number, films in enumerate(self.repair.redraws, start=2):
                uses[f"calibration_{number}"] = films
        return {use: films.to_json() for use, films in uses.items()}


def choose_films(dataset: Dataset, split: str, count: int, *, seed: int = 0) -> FilmSet:
    """Draw `count` films of a split at random, the same number of each class where there are enough.

    Raises DataError when the split lacks a class: ranges learned from one class clip the other.
    """
    part = dataset.select(split=split)
    rng = np.random.default_rng([seed, len(part.items)])
    chosen: list[Item] = []
    for label in dataset.labels:
        of_class = sorted((item for item in part.items if item.label == label), key=lambda item: item.item_id)
        if not of_class:
            raise DataError(
                f"{dataset.name}: split '{split}' has no film of class {label}; calibration needs each class"
            )
        share = -(-count // len(dataset.labels))
        chosen += [of_class[index] for index in sorted(rng.permutation(len(of_class))[:share])]
    films = dataclasses.replace(part, items=tuple(chosen))
    with Progress(f"reading {len(chosen)} films of {split}", len(chosen)) as progress:
        pixels = films.pixels(progress=progress)
    return FilmSet(pixels, tuple(item.item_id for item in chosen), split)
