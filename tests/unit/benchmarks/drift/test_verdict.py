"""Non-inferiority: the three outcomes, how many films would decide, and films on which nothing moves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import norm

from cxr_edge.benchmarks.drift.verdict import judge
from cxr_edge.benchmarks.result.drift_result import FAIL, PASS, UNDECIDED
from cxr_edge.metrics import roc

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def _films(seed: int, films: int, *, loss: float = 0.0, noise: float = 0.3) -> tuple[Floats, Floats, Bools]:
    """Return the scores of a reference and of a model whose classes lie `loss` nearer, and the truth."""
    random = np.random.default_rng(seed)
    positive = np.arange(films) % 5 < 2
    base = random.normal(size=films)
    reference = np.where(positive, 1.5, 0.0) + base
    scores = np.where(positive, 1.5 - loss, 0.0) + base + random.normal(0.0, noise, films)
    return reference, scores, positive


def test_verdict_passes_where_the_interval_rules_the_margin_out() -> None:
    reference, scores, positive = _films(0, 2000, noise=0.05)
    found = judge(reference, scores, positive, 0.01)
    assert (found.outcome, found.images_needed) == (PASS, None)
    assert found.low > -0.01
    assert "a loss of 0.01 or more is ruled out" in found.reason


def test_verdict_fails_where_the_interval_shows_more_than_the_margin() -> None:
    found = judge(*_films(0, 2000, loss=0.8), 0.01)
    assert (found.outcome, found.images_needed) == (FAIL, None)
    assert found.high < -0.01
    assert "a loss of more than 0.01 is shown" in found.reason


def test_verdict_says_how_many_images_where_they_are_too_few() -> None:
    found = judge(*_films(0, 60), 0.005)
    assert found.outcome == UNDECIDED
    assert found.images_needed is not None
    assert found.images_needed > found.images == 60
    assert (
        f"about {found.images_needed:,} images with the same class balance (40% positive) would decide" in found.reason
    )


def test_verdict_holds_the_paired_delong_interval_against_the_margin() -> None:
    reference, scores, positive = _films(1, 300)
    found, change = judge(reference, scores, positive, 0.01), roc.auc_change(reference, scores, positive)
    assert (found.low, found.high) == pytest.approx((change.low, change.high))


def test_images_needed_are_those_of_the_published_formula() -> None:
    reference, scores, positive = _films(3, 120)
    change = roc.auc_change(reference, scores, positive)
    error = (change.high - change.low) / 2 / norm.ppf(0.975)
    wanted = 120 * ((norm.ppf(0.975) + norm.ppf(0.8)) * error / (0.01 + min(change.value, 0))) ** 2
    assert judge(reference, scores, positive, 0.01).images_needed == int(np.ceil(wanted))


def test_images_needed_decide_in_about_four_of_five_sets() -> None:
    # The classes keep their distance, so the noise alone costs AUC: the truth is taken from very many films.
    reference, scores, positive = _films(3, 200_000, noise=0.2)
    change, share = roc.auc_change(reference, scores, positive), 200_000
    error = (change.high - change.low) / 2 / norm.ppf(0.975) * share**0.5
    films = round(((norm.ppf(0.975) + norm.ppf(0.8)) * error / (0.01 + change.value)) ** 2)
    outcomes = [judge(*_films(seed, films, noise=0.2), 0.01).outcome for seed in range(100, 300)]
    assert 0.7 < outcomes.count(PASS) / 200 < 0.9


def test_verdict_of_a_model_at_the_margin_passes_in_one_of_forty_sets_at_most() -> None:
    reference, scores, positive = _films(5, 40_000, loss=0.05)
    margin = -roc.auc_change(reference, scores, positive).value
    outcomes = [judge(*_films(seed, 300, loss=0.05), margin).outcome for seed in range(400)]
    assert outcomes.count(PASS) / 400 < 0.05


def test_verdict_names_no_number_where_the_change_lies_on_the_margin() -> None:
    reference, scores, positive = _films(6, 200, loss=0.1)
    margin = -roc.auc_change(reference, scores, positive).value
    found = judge(reference, scores, positive, margin)
    assert (found.outcome, found.images_needed) == (UNDECIDED, None)
    assert "more images would not decide" in found.reason


def test_verdict_passes_the_same_scores() -> None:
    reference, _, positive = _films(7, 100)
    found = judge(reference, reference, positive, 0.01)
    assert found.outcome == PASS
    assert found.reason == "every score equals the reference's exactly"


def test_verdict_says_what_films_that_keep_their_order_cannot_show() -> None:
    positive = np.arange(100) % 2 == 0
    reference = np.where(positive, 0.9, 0.1)
    found = judge(reference, np.where(positive, 0.7, 0.2), positive, 0.01)
    assert found.outcome == PASS
    assert "scores moved by up to 0.2" in found.reason
    # The rule of three on the 50 pairs that have no film in common: 3 / 50.
    assert "up to 5.8% of such pairs may change" in found.reason


def test_verdict_needs_more_than_a_handful_of_films_though_nothing_moves() -> None:
    positive = np.array([True, False] * 4)
    reference = np.where(positive, 0.9, 0.1)
    found = judge(reference, reference * 0.9, positive, 0.01)
    assert found.outcome == UNDECIDED
    assert found.images_needed is not None
    more = np.tile(positive, -(-found.images_needed // 8))
    assert judge(np.where(more, 0.9, 0.1), np.where(more, 0.8, 0.1), more, 0.01).outcome == PASS


def test_verdict_is_never_worse_for_an_artifact_that_changes_less() -> None:
    positive = np.arange(60) % 2 == 0
    reference = np.linspace(0, 1, 60)
    reference = np.sort(reference)[np.argsort(np.argsort(np.where(positive, reference + 2, reference)))]
    swapped = reference.copy()
    worst, best = np.argmin(np.where(positive, reference, 9)), np.argmax(np.where(positive, -9, reference))
    swapped[[worst, best]] = swapped[[best, worst]]
    still, moved = judge(reference, reference * 0.99, positive, 0.01), judge(reference, swapped, positive, 0.01)
    assert still.low >= moved.low
