"""Typicality: near 1 for films like the training films, large for others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cxr_edge.errors import TrainingError
from cxr_edge.training.network.typicality import fit

BASIS = np.random.default_rng(0).uniform(size=(8, 64)) ** 4


def features(count: int, seed: int, *, basis: Any = BASIS) -> Any:
    """Non-negative features, as a ReLU leaves them: mixtures of the rows of `basis`, with a little noise."""
    rng = np.random.default_rng(seed)
    return (rng.gamma(2.0, size=(count, 8)) @ basis + 0.05 * rng.uniform(size=(count, 64))).astype(np.float32)


def mixed(count: int, seed: int, share: float) -> Any:
    """Features of which `share` comes from another basis."""
    other = np.random.default_rng(9).uniform(size=(8, 64)) ** 4
    return (1 - share) * features(count, seed) + share * features(count, seed + 1, basis=other)


def test_training_like_films_score_about_one() -> None:
    model = fit(features(400, 1), features(100, 2), rank=8)
    assert model.score(features(500, 3)).mean() == pytest.approx(1.0, abs=0.25)


def test_at_most_the_tolerated_share_of_validation_lies_above_the_limit() -> None:
    validation = features(200, 2)
    model = fit(features(400, 1), validation, rank=8, tolerated=0.02)
    assert (model.score(validation) > model.limit).mean() <= 0.02


def test_the_limit_serves_every_group_of_validation_films() -> None:
    near, far = features(200, 2), mixed(200, 5, 0.1)
    model = fit(features(400, 1), near, far, rank=8)
    assert model.limit == fit(features(400, 1), far, rank=8).limit
    assert model.limit > fit(features(400, 1), near, rank=8).limit


def test_a_film_of_another_make_lies_above_the_limit() -> None:
    model = fit(features(400, 1), features(100, 2), rank=8)
    assert (model.score(mixed(20, 4, 0.6)) > model.limit).all()


def test_an_empty_response_lies_above_the_limit() -> None:
    model = fit(features(400, 1), features(100, 2), rank=8)
    assert (model.score(np.zeros((1, 64), np.float32)) > model.limit).all()


def test_overall_brightness_does_not_count() -> None:
    model = fit(features(400, 1), features(100, 2), rank=8)
    some = features(10, 3)
    assert model.score(3 * some) == pytest.approx(model.score(some), rel=1e-4)


def test_score_has_a_row_a_film() -> None:
    model = fit(features(100, 1), features(50, 2), rank=8)
    assert model.score(features(7, 3)).shape == (7, 1)


def test_fit_refuses_too_few_films() -> None:
    with pytest.raises(TrainingError, match="at least 32 training films, there are 31"):
        fit(features(31, 1), features(10, 2), rank=8)
