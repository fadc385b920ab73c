"""A borrowed look moves grey levels and sharpness towards the partner's, and leaves the anatomy where it was."""

from __future__ import annotations

import numpy as np
import pytest

from cxr_edge import phantom
from cxr_edge.training.augment import Augmentation, augment
from cxr_edge.training.style import borrow


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A film, and a darker, sharper one."""
    film, partner = (phantom.render(seed, "none", size_px=224).pixels for seed in (1, 2))
    rng = np.random.default_rng(0)
    darker = partner * 0.6 + rng.normal(0, 6, partner.shape)
    return film, np.clip(darker, 0, 255).astype(np.uint8)


def sharpness(plane: np.ndarray) -> float:
    return float(np.abs(np.diff(plane.astype(float), axis=1)).mean())


def middle(plane: np.ndarray) -> float:
    return float(np.median(plane[20:-20, 20:-20]))


def test_shares_of_nothing_change_nothing(pair: tuple[np.ndarray, np.ndarray]) -> None:
    film, partner = pair
    assert np.array_equal(borrow(film, partner, tone=0, spectrum=0), film)


def test_tone_brings_the_grey_levels_near_the_partners(pair: tuple[np.ndarray, np.ndarray]) -> None:
    film, partner = pair
    half, whole = (middle(borrow(film, partner, tone=tone, spectrum=0)) for tone in (0.5, 1))
    assert whole == pytest.approx(middle(partner), abs=2)
    assert min(middle(film), whole) < half < max(middle(film), whole)


def test_spectrum_brings_the_sharpness_near_the_partners(pair: tuple[np.ndarray, np.ndarray]) -> None:
    film, partner = pair
    changed = borrow(film, partner, tone=0, spectrum=1)
    assert abs(sharpness(changed) - sharpness(partner)) < 0.6 * abs(sharpness(film) - sharpness(partner))


def test_the_anatomy_stays(pair: tuple[np.ndarray, np.ndarray]) -> None:
    film, partner = pair
    changed = borrow(film, partner, tone=1, spectrum=1)
    likeness = [np.corrcoef(changed.ravel(), other.ravel())[0, 1] for other in (film, partner)]
    assert likeness[0] > 0.9
    assert likeness[0] > likeness[1] + 0.1


def test_augment_borrows_only_where_there_is_a_partner_and_a_chance(pair: tuple[np.ndarray, np.ndarray]) -> None:
    film, partner = (np.repeat(plane[..., None], 3, axis=-1) for plane in pair)

    def change(chance: float, other: np.ndarray | None) -> np.ndarray:
        return augment(film, Augmentation(style=chance), np.random.default_rng(0), other)

    assert np.array_equal(change(1.0, None), film)
    assert np.array_equal(change(0.0, partner), film)
    assert not np.array_equal(change(1.0, partner), film)
