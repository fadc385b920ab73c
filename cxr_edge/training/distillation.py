"""Train one small network to answer as several do together.

Networks that were trained apart are wrong in different places, so that their mean answer is better than each. The
student sees films as they are augmented in training, and learns what the teachers say of the very same pixels
(knowledge distillation; Hinton et al. 2015; the same view for both and mixup: Beyer et al. 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.contract import KERAS_NAME, Pixels
from cxr_edge.errors import UsageError
from cxr_edge.models import read_model
from cxr_edge.runtimes.keras import load_model
from cxr_edge.training.network.frozen_backbone import Front

__all__ = ["DistillationLoss", "Teacher", "Teachers", "start_as"]

Floats = npt.NDArray[np.float32]
Classifier = Callable[[Pixels], Floats]

_LEAST = 1e-7


@dataclass(frozen=True)
class Teacher:
    """A classifier of pixels, where the wanted labels stand in its answer, and the sources it learned from."""

    run: Classifier
    order: Sequence[int]
    sources: frozenset[str] = frozenset()


class Teachers:
    """Classifiers that answer together: the softmax of their mean logits.

    A film is shown to the teachers that were trained on films of its source; to all, where none was.
    """

    def __init__(self, members: Sequence[Teacher]) -> None:
        self._members = members

    @classmethod
    def open(cls, bundles: Sequence[Bundle], labels: Sequence[str]) -> Teachers:
        """Open the model.keras of bundles. Raises UsageError for other labels than `labels`, BundleError."""
        members = []
        for bundle in bundles:
            known = bundle.manifest.labels
            if sorted(known) != sorted(labels):
                raise UsageError(
                    f"--teacher {bundle.path}: tells {', '.join(known)}, the films are {', '.join(labels)}; "
                    "give a bundle that was trained on these classes"
                )
            counts = bundle.manifest.provenance.get("train", {}).get("data", {}).get("films", {})
            sources = frozenset(key.split("/")[1] for key in counts)
            members.append(Teacher(_open(bundle), [known.index(label) for label in labels], sources))
        return cls(members)

    def score(self, pixels: Pixels, sources: Sequence[str]) -> Floats:
        """Return the probabilities (n, labels) of films (n, 224, 224, 3) of `sources`."""
        asked = np.array([[source in member.sources for source in sources] for member in self._members])
        asked[:, ~asked.any(axis=0)] = True
        sums = np.zeros((len(pixels), len(self._members[0].order)))
        for member, rows in zip(self._members, asked, strict=True):
            if rows.any():
                sums[rows] += np.log(np.maximum(member.run(pixels[rows])[:, member.order], _LEAST))
        logits = sums / asked.sum(axis=0)[:, None]
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: Floats = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
        return probabilities


def start_as(student: keras.Model, teacher: Bundle) -> None:
    """Give the student a teacher's weights. Raises UsageError where these are a stranger's, or of another network."""
    model = read_model(teacher, teacher.artifact(KERAS_NAME))
    if not model.trusted:
        raise UsageError(
            f"--teacher {teacher.path}: was not made here, and the student starts as a copy of the first teacher; "
            "name one first that was"
        )
    weights = load_model(model.content, name=model.name).get_weights()
    if [value.shape for value in weights] != [value.shape for value in student.get_weights()]:
        raise UsageError(
            f"--teacher {teacher.path}: is {teacher.manifest.architecture}, and the student starts as a copy of the "
            f"first teacher; add --backbone {teacher.manifest.architecture}, or name another one first"
        )
    student.set_weights(weights)


def _open(bundle: Bundle) -> Classifier:
    model = read_model(bundle, bundle.artifact(KERAS_NAME))
    if model.trusted:
        # A quarter of the time that Keras takes.
        return Front(load_model(model.content, name=model.name)).run
    runtime = model.open()
    return lambda pixels: runtime.run(pixels)["probabilities"]


class DistillationLoss(keras.losses.Loss):
    """The cross-entropy between two answers, both softened by a temperature, times its square (Hinton et al. 2015)."""

    def __init__(self, temperature: float) -> None:
        super().__init__(name="distillation")
        self.temperature = temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each film, from probabilities (n, labels) of the teachers and of the student."""
        taught = ops.log(ops.maximum(y_true, _LEAST)) / self.temperature
        own = ops.log(ops.maximum(y_pred, _LEAST)) / self.temperature
        return -(self.temperature**2) * ops.sum(ops.softmax(taught) * ops.log_softmax(own), axis=-1)
