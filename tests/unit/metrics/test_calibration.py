"""Temperature and reliability, against scores whose right answers are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cxr_edge.errors import DataError, UsageError
from cxr_edge.metrics import calibration, confusion, operating_point, roc


def drawn(scale: float, films: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose logits are `scale` times what they ought to be, and the truth that the right ones gave."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, films)
    positive = random.random(films) < 1 / (1 + np.exp(-logits))
    return 1 / (1 + np.exp(-scale * logits)), positive


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_logits_were_multiplied_by(scale: float) -> None:
    fitted = calibration.fit(*drawn(scale))
    assert fitted.temperature == pytest.approx(scale, rel=0.1)


def test_no_other_temperature_has_a_lower_loss() -> None:
    scores, positive = drawn(2.5, films=60)
    fitted = calibration.fit(scores, positive)
    around = [fitted.temperature * factor for factor in (0.9, 0.99, 1.01, 1.1)]
    losses = [calibration.log_loss(calibration.soften(scores, value), positive) for value in around]
    assert fitted.log_loss_calibrated < min(losses)
    assert fitted.log_loss_calibrated < fitted.log_loss


def test_the_temperature_keeps_the_order_of_films() -> None:
    scores, positive = drawn(3.0, films=200)
    softened = calibration.soften(scores, 3.0)
    assert roc.auc(softened, positive) == roc.auc(scores, positive)


def test_films_without_an_error_end_at_the_lowest_temperature_allowed() -> None:
    fitted = calibration.fit(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    assert fitted.temperature == pytest.approx(0.05, rel=1e-3)


def test_scores_of_exactly_0_and_1_keep_the_loss_finite() -> None:
    loss = calibration.log_loss(np.array([0.0, 1.0]), np.array([True, True]))
    assert loss == pytest.approx(-math.log(1e-7) / 2, rel=1e-6)


def test_a_wanted_sensitivity_is_reached_by_the_highest_threshold_that_does() -> None:
    scores, positive = drawn(1.0, films=300)
    fitted = calibration.fit(scores, positive, sensitivity=0.9)
    assert confusion.confuse(scores, positive, fitted.threshold).sensitivity >= 0.9
    next_higher = np.sort(scores[positive & (scores > fitted.threshold)])[0] + 1e-9
    assert confusion.confuse(scores, positive, float(next_higher)).sensitivity < 0.9
    assert fitted.rule == "sensitivity >= 0.9"


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [("youden", operating_point.youden_threshold), ("youden-1se", operating_point.steady_threshold)],
)
def test_without_a_wanted_sensitivity_the_point_is_the_rules(rule: str, threshold: Any) -> None:
    scores, positive = drawn(1.0, films=300)
    fitted = calibration.fit(scores, positive, rule=rule)
    assert (fitted.rule, fitted.threshold) == (rule, threshold(scores, positive))
    assert calibration.fit(scores, positive).rule == "youden-1se"


def test_an_unknown_rule_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="rule 'best': must be one of youden-1se, youden"):
        calibration.fit(*drawn(1.0, films=50), rule="best")


@pytest.mark.parametrize("sensitivity", [0.0, -0.1, 1.1])
def test_a_sensitivity_outside_its_range_is_refused(sensitivity: float) -> None:
    with pytest.raises(UsageError, match="must lie above 0"):
        calibration.fit(*drawn(1.0, films=50), sensitivity=sensitivity)


def test_one_class_alone_cannot_be_calibrated() -> None:
    with pytest.raises(DataError, match="needs at least"):
        calibration.fit(np.array([0.2, 0.4]), np.array([True, True]))


def test_bins_hold_every_film_once_and_follow_the_truth_of_true_probabilities() -> None:
    scores, positive = drawn(1.0)
    bins = calibration.reliability(scores, positive)
    assert sum(found.films for found in bins) == len(scores)
    assert [found.films for found in bins] == [400] * 10
    assert all(found.positive.low - 0.02 <= found.score <= found.positive.high + 0.02 for found in bins)


def test_equal_scores_stay_in_one_bin() -> None:
    bins = calibration.reliability(np.array([0.3] * 50 + [0.9] * 2), np.array([False] * 50 + [True] * 2))
    assert [found.films for found in bins] == [50, 2]


def test_the_manifests_record_has_the_threshold_in_both_scales() -> None:
    record = calibration.fit(*drawn(2.0)).to_json()
    logit = math.log(record["threshold"] / (1 - record["threshold"])) / record["temperature"]
    assert record["threshold_calibrated"] == pytest.approx(1 / (1 + math.exp(-logit)))
