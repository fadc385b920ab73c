"""A data set that is too small for its figures is refused before any work."""

from __future__ import annotations

import dataclasses

import pytest

from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.data.sufficiency import require_measurable
from cxr_edge.errors import DataError


def take(counts: dict[tuple[str, str], int], *, real: bool = True) -> Dataset:
    """The simulated set with so many images of each (split, class), as if they were real ones where `real`."""
    whole = open_dataset("phantom")
    items = []
    for (split, label), count in counts.items():
        items += [item for item in whole.items if (item.split, item.label) == (split, label)][:count]
    if real:
        items = [dataclasses.replace(item, phantom=None) for item in items]
    return dataclasses.replace(whole, name="mine", items=tuple(items))


def both(split: str, covid: int, noncovid: int) -> dict[tuple[str, str], int]:
    return {(split, "covid"): covid, (split, "noncovid"): noncovid}


def test_two_images_of_each_class_are_enough() -> None:
    require_measurable(take(both("train", 2, 2) | both("val", 2, 2) | both("test", 2, 2)))


def test_a_set_without_a_test_split_is_enough() -> None:
    require_measurable(take(both("train", 2, 2) | both("val", 2, 2)))


@pytest.mark.parametrize("split", ["val", "test"])
def test_one_image_of_a_class_is_named_with_its_split(split: str) -> None:
    counts = both("train", 9, 9) | both("val", 2, 2) | both("test", 2, 2) | both(split, 2, 1)
    with pytest.raises(DataError, match=f"mine: split '{split}' has 1 image of class 'noncovid'; .* at least 2 of"):
        require_measurable(take(counts))


def test_a_set_without_val_is_refused() -> None:
    with pytest.raises(DataError, match="has no film in split 'val'"):
        require_measurable(take(both("train", 2, 2) | both("test", 2, 2)))


def test_simulated_images_beside_real_ones_have_to_be_enough_too() -> None:
    real = take(both("train", 4, 4) | both("val", 2, 2))
    drawn = take(both("val", 3, 3), real=False).items[2:4]
    with pytest.raises(DataError, match="split 'val' has 1 simulated image of class 'covid'"):
        require_measurable(dataclasses.replace(real, items=real.items + drawn))
