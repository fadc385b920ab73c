"""Whether a data set has enough images for its figures, checked before hours of work and not after."""

from __future__ import annotations

from collections import Counter

from cxr_edge.data.dataset import Dataset
from cxr_edge.errors import DataError

__all__ = ["require_measurable"]

_FEWEST = 2
"""An AUC with an interval needs this many images of each class."""


def require_measurable(dataset: Dataset) -> None:
    """Raise DataError unless val, and test where it has images, have 2 images or more of each class.

    Real and simulated images have figures of their own, so each kind that a split has must be enough.
    """
    dataset.select(split="val")
    for split in ("val", "test"):
        items = [item for item in dataset.items if item.split == split]
        for simulated in (False, True):
            counts = Counter(item.label for item in items if (item.phantom is not None) == simulated)
            if counts:
                _require_each_class(dataset, split, counts, "simulated image" if simulated else "image")


def _require_each_class(dataset: Dataset, split: str, counts: Counter[str], kind: str) -> None:
    for label in dataset.labels:
        count = counts[label]
        if count < _FEWEST:
            raise DataError(
                f"{dataset.name}: split '{split}' has {count} {kind}{'' if count == 1 else 's'} of class '{label}'; "
                f"its AUC needs at least {_FEWEST} of each class. Add images (15 patients of each class are enough "
                "where cxr-edge makes the splits), or move some there in manifest.csv"
            )
