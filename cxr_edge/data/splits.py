"""Training, validation and test: as a data set lists them or else drawn here, always by patient, never by image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_edge.data.listing import Listing, Row
from cxr_edge.errors import DataError
from cxr_edge.system import files

__all__ = ["Placement", "place_patients"]

_HELD_SHARE = 0.1


@dataclass(frozen=True)
class Placement:
    """The split of each patient below `folder`, and what the user ought to be told about it."""

    folder: Path
    splits: dict[str, str]
    notes: tuple[str, ...]

    def patient_of(self, row: Row) -> str:
        """Return the patient id of a row; an image whose patient is not known is a patient of its own."""
        return _identify(self.folder, row)

    def split_of(self, row: Row) -> str:
        """Return the split that a row's patient is in."""
        return self.splits[self.patient_of(row)]


def place_patients(listing: Listing, *, positive: str, seed: int) -> Placement:
    """Return the listed splits, or else draw about 80/10/10 of the patients of each class, the same way by `seed`.

    Where training films are listed but the validation or test films are not, a tenth of the training patients stands
    in for each. Raises DataError for a patient in two splits, and for a class that is missing in a split or too small.
    """
    splits = _read_splits(listing)
    notes = _note_patients(listing)
    listed = {row.split for row in listing.rows if row.split}
    if listed and "train" not in listed:
        notes += (f"{listing.name}: has no training split, so it can be measured with but not trained on",)
    else:
        held = [split for split in ("test", "val") if split not in listed]
        if listed and held:
            notes += (f"{listing.name}: has no {' or '.join(held)} split; a tenth of the training patients stands in",)
        for label, patients in _group_patients(listing, positive).items():
            if len(patients) <= len(held):
                fact = f"class '{label}' has {len(patients)} patients to train on, too few to split"
                raise DataError(f"{listing.name}: {fact}; add some")
            splits.update(_draw(patients, held, seed))
    placement = Placement(listing.folder, splits, notes)
    _refuse_missing_class(listing, placement)
    return placement


def _identify(folder: Path, row: Row) -> str:
    # Relative, so that a data set that was moved is split as before.
    return row.patient_id if row.patient_id is not None else f"image:{row.path.relative_to(folder).as_posix()}"


def _read_splits(listing: Listing) -> dict[str, str]:
    splits: dict[str, str] = {}
    first: dict[str, str] = {}
    for row in listing.rows:
        patient, split = _identify(listing.folder, row), row.split or "train"
        if splits.setdefault(patient, split) != split:
            raise DataError(
                f"{row.where}: patient '{patient}' is in split '{split}' but in '{splits[patient]}' by "
                f"{first[patient]}; keep all films of a patient in one split"
            )
        first.setdefault(patient, row.where)
    return splits


def _group_patients(listing: Listing, positive: str) -> dict[str, list[str]]:
    """Return the trainable patients of each class; one with films of both classes counts as positive."""
    labels: dict[str, str] = {}
    for row in listing.rows:
        if row.split not in (None, "train"):
            continue
        patient = _identify(listing.folder, row)
        labels[patient] = row.label if row.label == positive else labels.get(patient, row.label)
    strata: dict[str, list[str]] = defaultdict(list)
    for patient, label in labels.items():
        strata[label].append(patient)
    return strata


def _draw(patients: Sequence[str], held: Sequence[str], seed: int) -> dict[str, str]:
    ranked = sorted(patients, key=lambda patient: files.sha256_bytes(f"{seed}\0{patient}".encode()))
    share = max(1, round(_HELD_SHARE * len(ranked)))
    return {patient: split for at, split in enumerate(held) for patient in ranked[at * share : (at + 1) * share]}


def _refuse_missing_class(listing: Listing, placement: Placement) -> None:
    present = {(placement.split_of(row), row.label) for row in listing.rows}
    for split in sorted({split for split, _ in present}):
        for label in sorted({label for _, label in present}):
            if (split, label) not in present:
                raise DataError(
                    f"{listing.name}: split '{split}' has no film of class '{label}'; move some of its patients there"
                )


def _note_patients(listing: Listing) -> tuple[str, ...]:
    count = sum(row.patient_id is None for row in listing.rows)
    if not count:
        return ()
    return (
        f"{listing.name}: {count} of {len(listing.rows)} images have no patient id, so each counts as a patient of its "
        "own; films of one patient may be in several splits",
    )
