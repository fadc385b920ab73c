"""Weights to integers so that a layer's output changes least on real inputs, in closed form.

A layer with inputs x, weights W and covariance C of x gives W'x; integers Q with scales s give an output error with
the variance (W - sQ)' C (W - sQ). Rounding each weight to the nearest integer ignores C. `round_weights` rounds one
input after the other and lets those not yet rounded make up for the error (Frantar et al. 2023, GPTQ, which is
Hassibi & Stork 1993 without the search). `refit` first moves W towards the outputs that the float layer gives, for the
inputs that the quantised layers before it really send.

All arrays have a leading axis of groups: one for an ordinary convolution, one a channel for a depthwise one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LEVELS", "choose_scales", "nearest", "refit", "round_weights"]

Array = npt.NDArray[np.float64]

LEVELS = 127
"""Weights are integers from -127 to 127, symmetric, as both runtimes want them."""

_DAMPING = 1e-2
_LEAST = 1e-4


def choose_scales(weights: Array) -> Array:
    """Return the scale of every output, (groups, outputs), for weights (groups, inputs, outputs): largest / 127."""
    largest: Array = np.abs(weights).max(axis=1)
    # A bias is stored in steps of this scale in 32 bits, so an output with hardly any weights needs a scale, too.
    return np.maximum(largest, max(float(largest.max()) * _LEAST, 1e-9)) / LEVELS


def nearest(weights: Array, scales: Array) -> Array:
    """Return each weight's nearest integer within the levels."""
    rounded: Array = np.clip(np.rint(weights / scales[:, None, :]), -LEVELS, LEVELS)
    return rounded


def refit(weights: Array, covariance: Array, residual: Array, *, ridge: float) -> Array:
    """Return weights moved by least squares towards what is still missing at the output.

    `residual` (groups, inputs, outputs) is the covariance of the inputs with (wanted - given) output. `ridge`, in
    parts of the mean input variance, keeps the weights near where they were.
    """
    return weights + np.linalg.solve(_dampen(covariance, ridge), residual)


def round_weights(weights: Array, covariance: Array, scales: Array) -> Array:
    """Return the integers (groups, inputs, outputs) for `weights`, largest input variance first.

    `covariance` is (groups, inputs, inputs), `scales` (groups, outputs).
    """
    damped = _dampen(covariance, _DAMPING)
    order = np.argsort(-np.diagonal(damped, axis1=1, axis2=2), axis=1, kind="stable")
    damped = np.take_along_axis(np.take_along_axis(damped, order[:, :, None], 1), order[:, None, :], 2)
    left = np.take_along_axis(weights, order[:, :, None], 1).copy()
    # Row i of the upper factor says how the inputs behind i best take up an error made at i.
    factor = np.swapaxes(np.linalg.cholesky(np.linalg.inv(damped)), 1, 2)
    integers = np.empty_like(left)
    for at in range(left.shape[1]):
        integers[:, at] = np.clip(np.rint(left[:, at] / scales), -LEVELS, LEVELS)
        error = (left[:, at] - integers[:, at] * scales) / factor[:, at, at, None]
        left[:, at:] -= factor[:, at, at:, None] * error[:, None, :]
    result = np.empty_like(integers)
    np.put_along_axis(result, order[:, :, None], integers, 1)
    return result


def _dampen(covariance: Array, share: float) -> Array:
    """Return the covariance with `share` of its mean variance added to the diagonal, group by group."""
    variance = np.diagonal(covariance, axis1=1, axis2=2).mean(axis=1)
    # A dead channel has no variance at all; a thousandth of the others' keeps its matrix invertible.
    floor = max(float(variance.mean()) * 1e-3, 1e-12)
    eye: Any = np.eye(covariance.shape[1])
    damped: Array = covariance + (share * np.maximum(variance, floor))[:, None, None] * eye
    return damped
