"""Films with their labels, splits and patients: the one form in which train, export, bench and audit take data.

Opening a data set checks its lists (classes, splits, patients, that every file is there) and reads no image.
`Dataset.pixels` then reads each file once: the same pass hashes it, finds copies and decodes it, so nothing has to be
checked beforehand and nothing is decoded twice. Selections share the hashes, and so see copies across splits.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from cxr_edge.contract import Pixels
from cxr_edge.data import layouts, splits
from cxr_edge.data.item import Item, read, to_pixels
from cxr_edge.errors import DataError
from cxr_edge.imaging.decoder import SIZE_PX
from cxr_edge.phantom import sets
from cxr_edge.phantom.lesions import KINDS
from cxr_edge.processes.cores import count_cores
from cxr_edge.processes.prefetch import map_ahead
from cxr_edge.system import files

__all__ = ["PHANTOM_COUNTS", "Dataset", "Item", "open_dataset"]

_Progress = Callable[[int, int], None]

PHANTOM_COUNTS = {"train": 600, "val": 150, "test": 300}
"""How many simulated films each split of the embedded set has."""

_NAMED = 5

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class Dataset:
    """Films of two classes. `labels` are sorted; `notes` are warnings that whoever uses the set should show."""

    name: str
    items: tuple[Item, ...]
    labels: tuple[str, ...]
    positive: str
    notes: tuple[str, ...] = ()
    _digests: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    def select(self, *, split: str | None = None, source: str | None = None) -> Dataset:
        """Return the films of one split and one source. Raises DataError when the set has nothing of that split."""
        items = [item for item in self.items if split in (None, item.split)]
        if split is not None and not items:
            have = ", ".join(sorted({item.split for item in self.items})) or "none at all"
            raise DataError(f"{self.name}: has no film in split '{split}', only in {have}; add films to that split")
        return dataclasses.replace(self, items=tuple(item for item in items if source in (None, item.source)))

    def join(self, other: Dataset) -> Dataset:
        """Return the films of both sets. Raises DataError when their classes differ or they share an id."""
        if (self.labels, self.positive) != (other.labels, other.positive):
            raise DataError(
                f"{other.name}: has the classes {other.labels}, {self.name} has {self.labels}; name them alike"
            )
        shared = {item.item_id for item in self.items} & {item.item_id for item in other.items}
        if shared:
            raise DataError(f"{other.name}: {min(shared)} is in {self.name} too; join different sets")
        items, notes = self.items + other.items, self.notes + other.notes
        digests = self._digests | other._digests
        return Dataset(f"{self.name}+{other.name}", items, self.labels, self.positive, notes, digests)

    def only_real(self) -> Dataset:
        """Return the set without simulated films; as it is where there are no others, or none."""
        real = tuple(item for item in self.items if item.phantom is None)
        return dataclasses.replace(self, items=real) if real else self

    def targets(self) -> npt.NDArray[np.int64]:
        """Return each film's index into `labels`, shape (n,)."""
        return np.array([self.labels.index(item.label) for item in self.items], dtype=np.int64)

    def pixels(self, *, progress: _Progress | None = None) -> Pixels:
        """Return all films as (n, 224, 224, 3) uint8, read by all cores; `progress` is told (done, total).

        Raises DataError that counts and names the films that cannot be read, or that are copies of one another,
        here or in another selection read before; UnsafeFileError for a file that is not safe to open.
        """
        out = np.empty((len(self.items), SIZE_PX, SIZE_PX, 3), dtype=np.uint8)

        def load(index: int) -> tuple[str, DataError] | None:
            item = self.items[index]
            try:
                out[index] = to_pixels(item, self._read_hashed(item))
            except DataError as error:
                return item.item_id, error
            return None

        faults = _run_threads(load, range(len(self.items)), progress)
        self._refuse_unreadable([fault for fault in faults if fault is not None])
        self._refuse_copies()
        return out

    def fingerprint(self) -> str:
        """Return a SHA-256 of all ids, labels, splits and contents, whatever the order or place of the files."""
        self._hash_all()
        rows = [[item.item_id, item.label, item.split, self._digests[item.item_id]] for item in self.items]
        return files.sha256_bytes(json.dumps(sorted(rows)).encode())

    def copies(self) -> tuple[tuple[str, ...], ...]:
        """Return the ids of the films that have the same content, a group each."""
        self._hash_all()
        own = {item.item_id for item in self.items}
        return tuple(group for group in _group_copies(self._digests) if own.issuperset(group))

    def _hash_all(self) -> None:
        missing = [item for item in self.items if item.item_id not in self._digests]
        _run_threads(lambda item: len(self._read_hashed(item)), missing)

    def _read_hashed(self, item: Item) -> bytes:
        content = read(item)
        self._digests[item.item_id] = files.sha256_bytes(content)
        return content

    def _refuse_unreadable(self, faults: list[tuple[str, DataError]]) -> None:
        if len(faults) == 1:
            raise faults[0][1]
        if faults:
            names = _name_first([item_id for item_id, _ in faults])
            raise DataError(f"{self.name}: {len(faults)} images cannot be read ({names}); the first: {faults[0][1]}")

    def _refuse_copies(self) -> None:
        groups = _group_copies(self._digests)
        if groups:
            names = _name_first([" = ".join(group) for group in groups])
            raise DataError(
                f"{self.name}: {len(groups)} images are in the set more than once ({names}); "
                "keep one of each, or remove all where their labels differ"
            )


def open_dataset(data: str | Path, *, positive: str = "covid", seed: int = 0) -> Dataset:
    """Open `phantom`, the embedded simulated set, or a folder in a form that docs/data.md describes.

    A folder without splits is split here by patient, about 80/10/10 in each class, the same way for the same `seed`
    and patients. The simulated set is fixed and ignores `seed`. Raises DataError, UnsafeFileError.
    """
    if str(data) == "phantom" and not (isinstance(data, Path) and data.is_dir()):
        return _open_phantom(positive)
    listing = layouts.read_folder(Path(data))
    labels = tuple(sorted({row.label for row in listing.rows}))
    _check_labels(listing.name, labels, positive)
    placement = splits.place_patients(listing, positive=positive, seed=seed)
    items = [
        Item(
            item_id=row.path.relative_to(listing.folder).as_posix(),
            label=row.label,
            split=placement.split_of(row),
            source=row.source,
            patient_id=placement.patient_of(row),
            path=row.path,
            mask_path=row.mask_path,
        )
        for row in listing.rows
    ]
    return Dataset(listing.name, tuple(items), labels, positive, listing.notes + placement.notes)


def _open_phantom(positive: str) -> Dataset:
    items = [
        Item(spec.film_id, spec.label, split, spec.source, spec.patient_id, phantom=spec)
        for split, count in PHANTOM_COUNTS.items()
        for spec in sets.specs(split, count)
    ]
    labels = tuple(sorted(set(KINDS.values())))
    _check_labels("phantom", labels, positive)
    return Dataset("phantom", tuple(items), labels, positive)


def _check_labels(name: str, labels: tuple[str, ...], positive: str) -> None:
    listed = ", ".join(labels)
    if not labels:
        raise DataError(f"{name}: has no images; give a folder with manifest.csv, or with a folder of images a class")
    if len(labels) == 1:
        raise DataError(f"{name}: a class is missing, '{listed}' is the only one; add the films of the other class")
    if len(labels) > 2:
        raise DataError(
            f"{name}: has {len(labels)} classes ({listed}) where two are needed; merge their folders, or map them in "
            f"the class column of manifest.csv, say all but '{positive}' to 'noncovid'"
        )
    if positive not in labels:
        # Which of the two is to be found is not known; the second by name stands in the example.
        raise DataError(
            f"{name}: no class is named '{positive}'; its classes are {listed}. Name the class to be found, such as "
            f"--positive {shlex.quote(labels[-1])}"
        )


def _group_copies(digests: dict[str, str]) -> list[tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for item_id, digest in sorted(digests.items()):
        groups[digest].append(item_id)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _name_first(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _run_threads(work: Callable[[_In], _Out], inputs: Sequence[_In], progress: _Progress | None = None) -> list[_Out]:
    results = []
    for result in map_ahead(work, inputs, workers=count_cores()):
        results.append(result)
        if progress is not None:
            progress(len(results), len(inputs))
    return results
