"""How far a film's pooled features lie from those of the training films.

The features, which a ReLU made non-negative, are taken as the profile x = sqrt(f / sum(f)): of length 1, so that a
film's overall response tells nothing, and with its few large values tamed. The distance is what the principal axes of
the training films' profiles leave over, |x - m|^2 - |P(x - m)|^2, divided by its mean over the training films
(reconstruction error of a principal component analysis; the root is Hellinger's, see Rao 1995).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxr_edge.errors import TrainingError

__all__ = ["Typicality", "fit"]

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Typicality:
    """Mean (features,) and principal axes (features, rank) of the training films' profiles, and their mean distance.

    `limit` is the value above which a film counts as untypical: at most 2 % of the validation films, real or
    simulated, lie above it.
    """

    mean: Array
    axes: Array
    rest: float
    limit: float

    def score(self, features: Array) -> Array:
        """Return the typicality of features (n, features), shape (n, 1); about 1 for a training film."""
        centred = _profile(features) - self.mean
        along = centred @ self.axes
        left = (centred**2).sum(axis=1) - (along**2).sum(axis=1)
        scores: Array = (np.maximum(left, 0) / self.rest).astype(np.float32)[:, None]
        return scores


def fit(features: Array, *validations: Array, rank: int = 16, tolerated: float = 0.02) -> Typicality:
    """Fit to training features (n, features); the limit leaves at most `tolerated` of each of `validations` above it.

    Raises TrainingError for fewer films than four times the rank.
    """
    if len(features) < 4 * rank:
        raise TrainingError(f"typicality needs at least {4 * rank} training films, there are {len(features)}")
    profiles = _profile(features)
    mean = profiles.mean(axis=0)
    axes = np.linalg.svd(profiles - mean, full_matrices=False)[2][:rank].T
    unscaled = Typicality(mean.astype(np.float32), axes.astype(np.float32), 1.0, 0.0)
    model = Typicality(unscaled.mean, unscaled.axes, max(float(unscaled.score(features).mean()), 1e-6), 0.0)
    # 'higher' keeps the share above the limit at or under what is tolerated; a twentieth more is for int8, which moves
    # a film by about as much either way.
    limit = 1.05 * max(
        float(np.quantile(model.score(group)[:, 0], 1 - tolerated, method="higher")) for group in validations
    )
    return Typicality(model.mean, model.axes, model.rest, limit)


def _profile(features: Array) -> npt.NDArray[np.float64]:
    values = np.maximum(features.astype(np.float64), 0)
    profiles: npt.NDArray[np.float64] = np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), 1e-6))
    return profiles
