"""Train one small network to answer as several do together.

Networks that were trained apart are wrong in different places, so that their mean answer is better than each. The
student sees films as they are augmented in training, and learns what the teachers say of the very same pixels
(knowledge distillation; Hinton et al. 2015; the same view for both and mixup: Beyer et al. 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from cxr_edge import trust
from cxr_edge.bundle import Bundle
from cxr_edge.errors import UsageError
from cxr_edge.runtimes import Pixels, open_artifact
from cxr_edge.runtimes.keras import load_model
from cxr_edge.training.front import Front

__all__ = ["DistillationLoss", "Teachers"]

Floats = npt.NDArray[np.float32]
Classifier = Callable[[Pixels], Floats]

_LEAST = 1e-7


class Teachers:
    """Classifiers that answer together: the softmax of their mean logits."""

    def __init__(self, members: Sequence[Classifier], orders: Sequence[Sequence[int]]) -> None:
        """Take functions of pixels that return probabilities and, for each, where the wanted labels stand in these."""
        self._members = list(zip(members, orders, strict=True))

    @classmethod
    def open(cls, bundles: Sequence[Bundle], labels: Sequence[str]) -> Teachers:
        """Open the model.keras of bundles. Raises UsageError for other labels than `labels`, BundleError."""
        members, orders = [], []
        for bundle in bundles:
            known = bundle.manifest.labels
            if sorted(known) != sorted(labels):
                raise UsageError(
                    f"--teacher {bundle.path}: tells {', '.join(known)}, the films are {', '.join(labels)}; "
                    "give a bundle that was trained on these classes"
                )
            members.append(_open(bundle))
            orders.append([known.index(label) for label in labels])
        return cls(members, orders)

    def score(self, pixels: Pixels) -> Floats:
        """Return the probabilities (n, labels) of films (n, 224, 224, 3)."""
        logits = np.mean([np.log(np.maximum(run(pixels)[:, order], _LEAST)) for run, order in self._members], axis=0)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: Floats = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
        return probabilities


def _open(bundle: Bundle) -> Classifier:
    artifact = bundle.artifact("model.keras")
    if trust.is_ours(artifact.sha256):
        # A quarter of the time that Keras takes.
        return Front(load_model(bundle.artifact_bytes(artifact), name=artifact.name)).run
    runtime = open_artifact(bundle, artifact)
    return lambda pixels: runtime.run(pixels)["probabilities"]


class DistillationLoss(keras.losses.Loss):
    """The cross-entropy between two answers, both softened by a temperature, times its square (Hinton et al. 2015)."""

    def __init__(self, temperature: float) -> None:
        super().__init__(name="distillation")
        self.temperature = temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each film, from probabilities (n, labels) of the teachers and of the student."""
        taught, own = (ops.log(ops.maximum(values, _LEAST)) / self.temperature for values in (y_true, y_pred))
        return -(self.temperature**2) * ops.sum(ops.softmax(taught) * ops.log_softmax(own), axis=-1)
