"""Augmentation is repeatable, keeps the contract's form, and stays within its ranges."""

from __future__ import annotations

import numpy as np
import pytest

from cxr_edge.training.augment import DEFAULT, NONE, PAPER, Augmentation, augment, augment_batch


def film(seed: int = 0) -> np.ndarray:
    grey = np.random.default_rng(seed).integers(0, 256, (224, 224, 1), dtype=np.uint8)
    return np.repeat(grey, 3, axis=-1)


@pytest.mark.parametrize("options", [NONE, PAPER, DEFAULT])
def test_augment_keeps_shape_and_type(options: Augmentation) -> None:
    changed = augment(film(), options, np.random.default_rng(0))
    assert changed.shape == (224, 224, 3)
    assert changed.dtype == np.uint8


def test_augment_without_ranges_changes_nothing() -> None:
    assert np.array_equal(augment(film(), NONE, np.random.default_rng(0)), film())


@pytest.mark.parametrize("options", [PAPER, DEFAULT])
def test_augment_repeats_with_its_seed_and_differs_with_another(options: Augmentation) -> None:
    first, again, other = (augment(film(), options, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_augment_keeps_a_grey_film_grey() -> None:
    changed = augment(film(), DEFAULT, np.random.default_rng(3))
    assert np.array_equal(changed[..., 0], changed[..., 2])


def test_augment_keeps_the_channels_of_a_colour_film_apart() -> None:
    colour = film()
    colour[..., 0] = 0
    changed = augment(colour, PAPER, np.random.default_rng(3))
    assert changed[..., 0].max() == 0
    assert changed[..., 1].max() > 0


def test_flip_mirrors_left_and_right() -> None:
    options = Augmentation(flip=True)
    results = [augment(film(), options, np.random.default_rng(seed)) for seed in range(8)]
    kinds = {"same" if np.array_equal(r, film()) else "mirrored" for r in results}
    assert kinds == {"same", "mirrored"}
    assert all(np.array_equal(r, film()) or np.array_equal(r, film()[:, ::-1]) for r in results)


def test_rotation_turns_about_the_centre() -> None:
    marked = np.zeros((224, 224, 3), np.uint8)
    marked[100:124, 200:216] = 255
    turned = augment(marked, Augmentation(rotation_deg=(90.0, 90.0)), np.random.default_rng(0))
    rows, columns = np.nonzero(turned[..., 0])
    # A mark at the right of the centre goes straight above or below it.
    assert abs(columns.mean() - 111.5) < 2
    assert abs(abs(rows.mean() - 111.5) - 96) < 2


def test_zoom_in_enlarges_the_middle() -> None:
    marked = np.zeros((224, 224, 3), np.uint8)
    marked[102:122, 102:122] = 255
    zoomed = augment(marked, Augmentation(zoom=(0.5, 0.5)), np.random.default_rng(0))
    assert (zoomed > 127).sum() == pytest.approx(4 * (marked > 127).sum(), rel=0.1)


def test_a_batch_equals_its_films_one_by_one() -> None:
    films = [film(seed) for seed in range(3)]
    seeds = [(0, 1, place) for place in range(3)]
    batch = augment_batch(films, DEFAULT, seeds)
    singles = [augment(f, DEFAULT, np.random.default_rng(list(s))) for f, s in zip(films, seeds, strict=True)]
    assert np.array_equal(batch, np.stack(singles))
