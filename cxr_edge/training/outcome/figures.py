"""What a trained classifier answers for the films of each split, and the figures that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from cxr_edge.metrics import summary
from cxr_edge.system.progress import Progress
from cxr_edge.training.network.frozen_backbone import Front
from cxr_edge.training.network.model import backbone_of
from cxr_edge.training.network.model import split as split_network
from cxr_edge.training.training_set import Films

__all__ = ["Figures", "SplitAnswers", "answer", "summarise"]

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Figures = dict[str, Any]
"""A JSON object of `summary.summarise`, as the manifest keeps it."""

_BATCH = 32


@dataclass(frozen=True)
class SplitAnswers:
    """The answers for the films of one split: scores of the positive class (n,), pooled features (n, features).

    `positive` (n,) says which films are of that class. `main` (n,) are the films that figures are about: the real ones,
    or all where there are only simulated ones.
    """

    films: Films
    scores: Floats
    features: Floats
    positive: Bools
    main: Bools

    @property
    def main_scores(self) -> Floats:
        """The scores of the films that figures are about."""
        return self.scores[self.main]

    @property
    def main_positive(self) -> Bools:
        """Which of the films that figures are about are positive."""
        return self.positive[self.main]


def answer(classifier: keras.Model, films: Mapping[str, Films], positive: int) -> dict[str, SplitAnswers]:
    """Run the classifier on the films of each split; `positive` is the column of the positive class."""
    # LiteRT runs the backbone in a quarter of the time that Keras takes.
    parts = split_network(classifier, len(backbone_of(classifier).layers))
    front = Front(parts.front)
    answers = {}
    for split, part in films.items():
        scores, features = [], []
        with Progress(f"measuring {split}", len(part.pixels)) as progress:
            for start in range(0, len(part.pixels), _BATCH):
                batch = part.pixels[start : start + _BATCH]
                features.append(front.run(batch))
                scores.append(np.asarray(parts.tail(features[-1], training=False))[:, positive])
                progress.advance(len(batch))
        answers[split] = SplitAnswers(
            films=part,
            scores=np.concatenate(scores),
            features=np.concatenate(features),
            positive=part.targets[:, positive] > 0,
            main=_find_main(part),
        )
    return answers


def summarise(answers: Mapping[str, SplitAnswers], threshold: float) -> dict[str, Figures]:
    """Return the figures of val and test, and of both together: a source may have few films of a class in each.

    Where there are real and simulated films, these are of the real ones, and the simulated ones have rows of their own.
    """
    groups = {"val": [answers["val"]]}
    if "test" in answers:
        groups |= {"test": [answers["test"]], "val+test": [answers["val"], answers["test"]]}
    found = {}
    for note, main in (("", True), (", simulated", False)):
        for name, parts in groups.items():
            rows = np.concatenate([part.main == main for part in parts])
            if rows.any():
                found[name + note] = _summarise_rows(parts, rows, threshold)
    return found


def _summarise_rows(parts: Sequence[SplitAnswers], rows: Bools, threshold: float) -> Figures:
    scores = np.concatenate([part.scores for part in parts])[rows]
    positive = np.concatenate([part.positive for part in parts])[rows]
    sources = np.concatenate([part.films.sources for part in parts])[rows]
    return summary.summarise(scores, positive, tuple(sources), threshold).to_json()


def _find_main(films: Films) -> Bools:
    simulated = films.are_simulated()
    return simulated if simulated.all() else ~simulated
