"""Rounding that looks at the inputs: never worse in the output than rounding to the nearest, and on the levels."""

from __future__ import annotations

import numpy as np
import pytest

from cxr_edge.export.repair.rounding import LEVELS, choose_scales, nearest, refit, round_weights


def layer(seed: int, groups: int = 1, inputs: int = 24, outputs: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, inputs (groups, samples, inputs) that move together, and their covariance."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(groups, inputs, outputs))
    mixing = rng.normal(size=(groups, inputs // 4, inputs))
    samples = rng.normal(size=(groups, 500, inputs // 4)) @ mixing + 0.05 * rng.normal(size=(groups, 500, inputs))
    samples -= samples.mean(axis=1, keepdims=True)
    return weights, samples, np.swapaxes(samples, 1, 2) @ samples / 500


def coarse(weights: np.ndarray) -> np.ndarray:
    return choose_scales(weights) * 16


@pytest.mark.parametrize("groups", [1, 5])
@pytest.mark.parametrize("seed", range(5))
def test_output_error_is_well_below_that_of_nearest(seed: int, groups: int) -> None:
    weights, samples, covariance = layer(seed, groups)
    scales = coarse(weights)
    errors = [
        np.linalg.norm(samples @ (weights - integers * scales[:, None, :]))
        for integers in (round_weights(weights, covariance, scales), nearest(weights, scales))
    ]
    assert errors[0] < 0.6 * errors[1]


def test_integers_stay_within_the_levels() -> None:
    weights, _, covariance = layer(0)
    integers = round_weights(weights, covariance, choose_scales(weights) / 2)
    assert np.abs(integers).max() <= LEVELS
    assert np.array_equal(integers, np.rint(integers))


def test_uncorrelated_inputs_are_rounded_to_the_nearest() -> None:
    weights, _, _ = layer(0)
    scales = coarse(weights)
    assert np.array_equal(round_weights(weights, np.eye(24)[None], scales), nearest(weights, scales))


def test_groups_do_not_touch_one_another() -> None:
    weights, _, covariance = layer(3, groups=4)
    scales = coarse(weights)
    together = round_weights(weights, covariance, scales)
    alone = round_weights(weights[2:3], covariance[2:3], scales[2:3])
    assert np.array_equal(together[2:3], alone)


def test_a_dead_input_does_not_stop_the_rounding() -> None:
    weights, _, covariance = layer(1, groups=3)
    covariance[1] = 0
    assert np.isfinite(round_weights(weights, covariance, coarse(weights))).all()


def test_refit_makes_up_for_inputs_that_changed() -> None:
    weights, samples, _ = layer(2)
    seen = samples * 0.9
    covariance = np.swapaxes(seen, 1, 2) @ seen / 500
    missing = np.swapaxes(seen, 1, 2) @ (samples @ weights - seen @ weights) / 500
    moved = refit(weights, covariance, missing, ridge=1e-6)
    before, after = (np.linalg.norm(samples @ weights - seen @ w) for w in (weights, moved))
    assert after < 0.01 * before


def test_a_strong_ridge_leaves_the_weights_alone() -> None:
    weights, samples, covariance = layer(2)
    missing = np.swapaxes(samples, 1, 2) @ (samples @ weights) / 500
    assert refit(weights, covariance, missing, ridge=1e9) == pytest.approx(weights, abs=1e-6)
