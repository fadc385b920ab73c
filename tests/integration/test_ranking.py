"""The ranking loss asks for order within a source, asks nothing across sources, and leaves evaluation alone."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from cxr_edge.training.ranking import RankedModel


@pytest.fixture
def model() -> RankedModel:
    """A classifier that gives back the probabilities that it is shown."""
    entry = keras.Input((2,))
    model = RankedModel(entry, keras.layers.Activation("linear")(entry))
    model.compile("sgd", keras.losses.BinaryCrossentropy(), jit_compile=False)
    model.pairs = 1.0
    return model


SHOWN = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]], np.float32)
TARGETS = np.array([[1, 0], [0, 1], [0, 1]], np.float32)


def added(model: RankedModel, sources: list[int]) -> float:
    marked = np.column_stack([TARGETS, sources]).astype(np.float32)
    plain, ranked = (float(model.compute_loss(None, keras.ops.convert_to_tensor(y), SHOWN)) for y in (TARGETS, marked))
    return ranked - plain


def logistic(margin: float) -> float:
    return math.log1p(math.exp(-margin))


def test_a_pair_costs_by_the_difference_of_its_logits(model: RankedModel) -> None:
    margin = math.log(0.8 / 0.2) - math.log(0.6 / 0.4)
    assert added(model, [0, 0, 1]) == pytest.approx(logistic(margin), abs=1e-5)


def test_all_pairs_of_a_source_weigh_the_same(model: RankedModel) -> None:
    first = math.log(0.8 / 0.2)
    costs = [logistic(first - other) for other in (math.log(0.6 / 0.4), math.log(0.1 / 0.9))]
    assert added(model, [7, 7, 7]) == pytest.approx(sum(costs) / 2, abs=1e-5)


def test_films_of_different_sources_are_no_pair(model: RankedModel) -> None:
    assert added(model, [0, 1, 1]) == 0


def test_pairs_scales_the_loss(model: RankedModel) -> None:
    whole = added(model, [0, 0, 0])
    model.pairs = 0.25
    assert added(model, [0, 0, 0]) == pytest.approx(whole / 4, abs=1e-5)


def test_a_ranked_fit_separates_the_classes_of_a_source() -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 256)
    shown = np.column_stack([labels + rng.normal(0, 0.5, 256), rng.normal(0, 1, 256)]).astype(np.float32)
    targets = np.column_stack([1 - labels, labels, np.zeros(256)]).astype(np.float32)
    entry = keras.Input((2,))
    model = RankedModel(entry, keras.layers.Dense(2, activation="softmax")(entry))
    model.pairs = 5.0
    # No pooled loss: what is learned comes from the pairs.
    model.compile(keras.optimizers.Adam(0.05), lambda y, p: 0.0 * keras.ops.sum(p, axis=-1), jit_compile=False)
    model.fit(shown, targets, batch_size=64, epochs=20, verbose=0)
    scores = model.predict(shown, verbose=0)[:, 1]
    above = scores[labels == 1][:, None] > scores[labels == 0][None]
    assert above.mean() > 0.85
