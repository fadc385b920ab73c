"""What is no film, or is a film of the test split, is not calibrated with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cxr_edge.contract import Pixels
from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.errors import DataError
from cxr_edge.export.calibration_set import FilmSet, choose_films
from cxr_edge.export.linting import correlate_neighbours, lint

COUNT = 24


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return open_dataset("phantom")


@pytest.fixture(scope="module")
def films(dataset: Dataset) -> FilmSet:
    return choose_films(dataset, "train", COUNT)


def with_pixels(films: FilmSet, pixels: Pixels) -> FilmSet:
    return dataclasses.replace(films, pixels=pixels)


def with_first(films: FilmSet, film: Pixels) -> FilmSet:
    pixels = films.pixels.copy()
    pixels[0] = film
    return with_pixels(films, pixels)


def pick(films: FilmSet, keep: list[int]) -> FilmSet:
    return FilmSet(films.pixels[keep], tuple(films.item_ids[index] for index in keep), films.split)


def change_items(dataset: Dataset, item_id: str, **changes: Any) -> Dataset:
    items = [dataclasses.replace(item, **changes) if item.item_id == item_id else item for item in dataset.items]
    return dataclasses.replace(dataset, items=tuple(items))


def make_noise(kind: str) -> Pixels:
    rng = np.random.default_rng(0)
    shape = (COUNT, 224, 224, 3)
    if kind == "uniform":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if kind == "grey":
        return np.repeat(rng.integers(0, 256, (COUNT, 224, 224, 1), dtype=np.uint8), 3, axis=3)
    if kind == "gaussian":
        return np.clip(rng.normal(128, 40, shape), 0, 255).astype(np.uint8)
    side_px = {"shrunk": 512, "enlarged": 112}[kind]
    pictures = (Image.fromarray(rng.integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)) for _ in range(COUNT))
    return np.stack([np.asarray(picture.resize((224, 224), Image.Resampling.BILINEAR)) for picture in pictures])


def test_films_of_the_train_split_give_no_warning(films: FilmSet, dataset: Dataset) -> None:
    assert lint(films, dataset) == []


@pytest.mark.parametrize("kind", ["uniform", "grey", "gaussian", "shrunk", "enlarged"])
def test_noise_is_refused(films: FilmSet, dataset: Dataset, kind: str) -> None:
    with pytest.raises(DataError, match="24 of 24 are noise"):
        lint(with_pixels(films, make_noise(kind)), dataset)


def test_one_film_of_noise_is_refused_by_its_name(films: FilmSet, dataset: Dataset) -> None:
    with pytest.raises(DataError, match=rf"1 of 24 are noise.*\({films.item_ids[0]}\)"):
        lint(with_first(films, make_noise("uniform")[0]), dataset)


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (lambda pixels: pixels.astype(np.float32) / 255, "are float32 from 0 to .*uint8 from 0 to 255"),
        (lambda pixels: pixels.astype(np.float32) / 127.5 - 1, "are float32 from -1 to"),
        (lambda pixels: pixels.astype(np.int16) - 128, "are int16 from -128 to"),
        (lambda pixels: pixels // 255, r"as if scaled to 0\.\.1"),
        (lambda pixels: pixels[:, :96, :96], r"shape \(24, 96, 96, 3\)"),
        (lambda pixels: pixels[:3], r"24 films with pixels of shape \(3, "),
    ],
)
def test_pixels_outside_the_contract_are_refused(films: FilmSet, dataset: Dataset, pixels: object, told: str) -> None:
    assert callable(pixels)
    with pytest.raises(DataError, match=told):
        lint(with_pixels(films, pixels(films.pixels)), dataset)


@pytest.mark.parametrize(
    ("film", "told"),
    [(lambda film: film * 0 + 90, "have one value all over"), (lambda film: (film > 99) * 255, "have two values only")],
)
def test_one_film_without_grey_levels_is_refused(films: FilmSet, dataset: Dataset, film: object, told: str) -> None:
    assert callable(film)
    with pytest.raises(DataError, match=rf"1 of 24 {told}.*{films.item_ids[0]}"):
        lint(with_first(films, film(films.pixels[0])), dataset)


def test_a_single_class_is_refused(films: FilmSet, dataset: Dataset) -> None:
    labels = {item.item_id: item.label for item in dataset.items}
    covid = [index for index, item_id in enumerate(films.item_ids) if labels[item_id] == "covid"]

    with pytest.raises(DataError, match="all 12 are of class covid; add films of the other class"):
        lint(pick(films, covid), dataset)


def test_films_of_the_test_split_are_refused(films: FilmSet, dataset: Dataset) -> None:
    held = change_items(dataset, films.item_ids[5], split="test")

    with pytest.raises(DataError, match=rf"'test', 1 are films of it \({films.item_ids[5]}\)"):
        lint(films, held)


def test_copies_of_test_films_are_refused(tmp_path: Path) -> None:
    rows = ["path,class,split,patient_id"]
    for number, (label, split) in enumerate(
        (label, split) for label in ("covid", "noncovid") for split in ("train", "val", "test")
    ):
        # The last, a test film, has the same bytes as the first, a film to calibrate on.
        ramp = np.add.outer(np.arange(64), np.arange(64) + 8 * (number % 5)).astype(np.uint8)
        Image.fromarray(ramp).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{label},{split},p{number}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    dataset = open_dataset(tmp_path)
    train = dataset.select(split="train")
    pixels = np.stack([item.pixels() for item in train.items])
    films = FilmSet(pixels, tuple(item.item_id for item in train.items), "train")

    with pytest.raises(DataError, match=r"'test', 1 are copies of films in it \(0\.png\)"):
        lint(films, dataset)


def test_patients_of_the_test_split_are_refused(films: FilmSet, dataset: Dataset) -> None:
    patient = dataset.select(split="test").items[0].patient_id
    shared = change_items(dataset, films.item_ids[7], patient_id=patient)

    with pytest.raises(DataError, match=rf"'test', 1 show patients of it \({films.item_ids[7]}\)"):
        lint(films, shared)


def test_further_splits_can_be_held_out(films: FilmSet, dataset: Dataset) -> None:
    held = change_items(dataset, films.item_ids[5], split="val")

    assert lint(films, held) == []
    with pytest.raises(DataError, match="overlap with the split 'val'"):
        lint(films, held, held_out=("val", "test"))


def test_films_of_another_data_set_are_refused(films: FilmSet, dataset: Dataset) -> None:
    with pytest.raises(DataError, match="not in the data set"):
        lint(films, dataset.select(split="val"))


def test_a_film_named_twice_is_refused(films: FilmSet, dataset: Dataset) -> None:
    with pytest.raises(DataError, match=f"{films.item_ids[0]} is there more than once"):
        lint(pick(films, [0, 0, *range(1, 24)]), dataset)


def test_few_films_are_a_warning(films: FilmSet, dataset: Dataset) -> None:
    (warning,) = lint(pick(films, [0, 1, 2, 21, 22, 23]), dataset)

    assert "only 6, which may miss the range of others" in warning


def test_one_source_is_a_warning(films: FilmSet, dataset: Dataset) -> None:
    items = tuple(dataclasses.replace(item, source="ward 3") for item in dataset.items)
    (warning,) = lint(films, dataclasses.replace(dataset, items=items))

    assert "all come from one source, ward 3" in warning


def test_a_class_of_few_films_is_a_warning(films: FilmSet, dataset: Dataset) -> None:
    chosen = choose_films(dataset, "train", 48)
    warnings = lint(pick(chosen, [0, *range(24, 48)]), dataset)

    assert warnings == ["calibration films (phantom, train): only 1 of 25 are of class covid"]


def test_films_darker_than_half_the_range_are_a_warning(films: FilmSet, dataset: Dataset) -> None:
    (warning,) = lint(with_pixels(films, films.pixels // 3), dataset)

    assert "brighter films would be cut off" in warning


def test_every_real_film_is_far_from_noise(real_data: Path) -> None:
    items = open_dataset(real_data / "cxr").select(split="val").items[::5]

    assert correlate_neighbours(np.stack([item.pixels() for item in items])).min() > 0.85


def test_real_calibration_films_pass(real_data: Path) -> None:
    dataset = open_dataset(real_data / "cxr")

    assert lint(choose_films(dataset, "train", COUNT), dataset) == []
