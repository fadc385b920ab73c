"""Typicality: near 1 for films like the training films, large for others."""

from __future__ import annotations

import numpy as np
import pytest

from cxr_edge.errors import TrainingError
from cxr_edge.training.typicality import fit

RNG = np.random.default_rng(0)
BASIS = RNG.normal(size=(8, 64))


def features(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, 8)) @ BASIS + 0.3 * rng.normal(size=(count, 64))).astype(np.float32)


def test_training_like_films_score_about_one() -> None:
    model = fit(features(400, 1), features(100, 2), rank=8)
    assert model.score(features(500, 3)).mean() == pytest.approx(1.0, abs=0.25)


def test_at_most_the_tolerated_share_of_validation_lies_above_the_limit() -> None:
    validation = features(200, 2)
    model = fit(features(400, 1), validation, rank=8, tolerated=0.02)
    assert (model.score(validation) > model.limit).mean() <= 0.02


def test_the_limit_serves_every_group_of_validation_films() -> None:
    near, far = features(200, 2), np.float32(1.5) * features(200, 5)
    model = fit(features(400, 1), near, far, rank=8)
    assert model.limit == fit(features(400, 1), far, rank=8).limit
    assert model.limit > fit(features(400, 1), near, rank=8).limit


def test_a_film_off_the_training_films_lies_above_the_limit() -> None:
    model = fit(features(400, 1), features(100, 2), rank=8)
    off_axis = features(20, 4) + 3 * RNG.normal(size=(20, 64)).astype(np.float32)
    far_along = features(20, 4) * 6
    assert (model.score(off_axis) > model.limit).all()
    assert (model.score(far_along) > model.limit).mean() > 0.9


def test_score_has_a_row_a_film() -> None:
    model = fit(features(100, 1), features(50, 2), rank=8)
    assert model.score(features(7, 3)).shape == (7, 1)


def test_fit_refuses_too_few_films() -> None:
    with pytest.raises(TrainingError, match="at least 32 training films, there are 31"):
        fit(features(31, 1), features(10, 2), rank=8)
