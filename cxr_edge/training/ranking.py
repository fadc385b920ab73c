"""A loss on pairs of films from one source: the ill above the well, whatever the source looks like.

A pooled loss is content to tell sources apart. Within a source that holds both classes its look is no help, so each
pair of one film of either class asks for signs of the disease (a logistic surrogate of the AUC within the source;
Burges et al. 2005, RankNet).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

__all__ = ["RankedModel"]


class RankedModel(keras.Model):
    """A two-class classifier whose training loss has `pairs` times the ranking loss within the sources added to it.

    Where targets carry one column more than the classes, the last is the number of the film's source.
    """

    pairs = 0.0

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the compiled loss, and the pairs' where sources are known."""
        classes = y_pred.shape[-1]
        loss = super().compute_loss(x, y[:, :classes], y_pred, sample_weight, training)
        if y.shape[-1] == classes:
            return loss
        return loss + self.pairs * _rank(y[:, 0], y[:, classes], y_pred)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the compiled metrics."""
        return super().compute_metrics(x, y[:, : y_pred.shape[-1]], y_pred, sample_weight)


def _rank(first: Any, sources: Any, probabilities: Any) -> Any:
    """Return the mean of log(1 + exp(-(a - b))) over pairs of a film of class 0 and one of class 1 of one source.

    a and b are the logits for class 0; without a pair it is 0.
    """
    logs = ops.log(ops.maximum(probabilities, 1e-7))
    logits = logs[:, 0] - logs[:, 1]
    pairs = first[:, None] * (1 - first[None]) * ops.cast(sources[:, None] == sources[None], first.dtype)
    losses = ops.softplus(logits[None] - logits[:, None])
    return ops.sum(pairs * losses) / ops.maximum(ops.sum(pairs), 1)
