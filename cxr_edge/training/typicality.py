"""How far a film's pooled features lie from those of the training films.

A Gaussian of low rank: the features are projected on the principal axes of the training films, and the distance is
d = (|P(x - m)|^2 over the axes' variances + |rest|^2 over the mean rest variance) / (rank + 1), so that a typical
training film has a value near 1 (the reconstruction term of Tipping & Bishop 1999, probabilistic PCA).
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
    """Mean (features,), axes (features, rank) and variances of a low-rank Gaussian of pooled features.

    `limit` is the value above which a film counts as untypical: at most 2 % of the validation films, real or
    simulated, lie above it.
    """

    mean: Array
    axes: Array
    variances: Array
    rest_variance: float
    limit: float

    def score(self, features: Array) -> Array:
        """Return the typicality of features (n, features), shape (n, 1); about 1 for a training film."""
        centred = features - self.mean
        along = centred @ self.axes
        rest = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        distance = (along**2 / self.variances).sum(axis=1) + rest / self.rest_variance
        scores: Array = (distance / (self.axes.shape[1] + 1)).astype(np.float32)[:, None]
        return scores


def fit(features: Array, *validations: Array, rank: int = 16, tolerated: float = 0.02) -> Typicality:
    """Fit to training features (n, features); the limit leaves at most `tolerated` of each of `validations` above it.

    Raises TrainingError for fewer films than four times the rank.
    """
    if len(features) < 4 * rank:
        raise TrainingError(f"typicality needs at least {4 * rank} training films, there are {len(features)}")
    mean = features.mean(axis=0)
    centred = features - mean
    _, singular, rows = np.linalg.svd(centred, full_matrices=False)
    variances = (singular**2 / (len(features) - 1)).astype(np.float32)
    rest = float(variances[rank:].sum())
    model = Typicality(mean, rows[:rank].T.astype(np.float32), np.maximum(variances[:rank], 1e-6), max(rest, 1e-6), 0.0)
    # 'higher' keeps the share above the limit at or under what is tolerated; a tenth more is for other machines' sums.
    limit = 1.1 * max(
        float(np.quantile(model.score(group)[:, 0], 1 - tolerated, method="higher")) for group in validations
    )
    return Typicality(model.mean, model.axes, model.variances, model.rest_variance, limit)
