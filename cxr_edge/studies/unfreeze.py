"""The paper's second comparison: how much of MobileNetV2 to unfreeze, over several seeds.

The paper says that the more is unfrozen, the higher the accuracy and the fewer the epochs. Every training here sees the
same films, augmented in the same way for a seed, and runs the same number of epochs without stopping early, so that the
curves can be laid over one another.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.data.sufficiency import require_measurable
from cxr_edge.errors import UsageError
from cxr_edge.studies import scoring, weights
from cxr_edge.studies.jobs import Engine, Job, Record, absolute, run_all
from cxr_edge.studies.report import facts, study_page
from cxr_edge.studies.report.unfreeze_result import History, Trend, UnfreezeRow, UnfreezeStudy
from cxr_edge.studies.scoring import Pair, Scores
from cxr_edge.studies.subset import HELD_OUT, thin
from cxr_edge.system import files
from cxr_edge.training.checkpoint import Checkpoint
from cxr_edge.training.fit import fit
from cxr_edge.training.network.heads import start_classifier
from cxr_edge.training.network.model import backbone_of, freeze
from cxr_edge.training.options import PRESETS, TrainOptions
from cxr_edge.training.training_set import Films, load_films

__all__ = ["CONVERGED", "FRACTIONS", "UnfreezeOptions", "run", "train_part"]

NAME = "unfreeze"
FRACTIONS = (0.33, 0.44, 0.55, 1.0)
"""The paper's."""

CONVERGED = 0.02
"""A training has converged at the first epoch whose validation loss is within this of its lowest."""


@dataclass(frozen=True)
class UnfreezeOptions:
    """What `study unfreeze` trains. `films` caps the training films; `copies` are the augmented versions of each.

    None of the paper's own choices but the fractions is in here: rate, batch, balance and augmentation are those of the
    preset `paper`.
    """

    data: str
    weights: str = "imagenet"
    fractions: tuple[float, ...] = FRACTIONS
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 12
    copies: int = 4
    films: int | None = None
    learning_rate: float = 1e-3
    backbone: str = "mobilenetv2"
    positive: str = "covid"

    def check(self) -> None:
        """Raise UsageError for a fraction outside 0 to 1, or nothing to train."""
        outside = [fraction for fraction in self.fractions if not 0 <= fraction <= 1]
        if outside or not self.fractions or not self.seeds:
            raise UsageError(f"--fraction {outside[0] if outside else ''}: must lie between 0 (frozen) and 1 (all)")


def run(options: UnfreezeOptions, out: Path, *, resume: bool = False, engine: Engine | None = None) -> UnfreezeStudy:
    """Run the study in the folder `out` and return its result. Raises UsageError, DataError, TrainingError.

    Trainings go seed by seed, so that one that is stopped has done every fraction alike.
    """
    options.check()
    dataset = thin(open_dataset(options.data, positive=options.positive), options.films)
    require_measurable(dataset)
    source = weights.find(options.weights, options.backbone)
    if source.weights is None:
        raise UsageError(f"--weights: {source.described}")
    record = Record(out, resume=resume)
    place = {"data": absolute(options.data), "weights": absolute(source.weights), "out": str(out.resolve())}
    jobs = _plan(options, place, {"data": dataset.fingerprint(), "weights": source.described})
    answers = run_all(list(jobs.values()), record, "trainings", engine or Engine())
    rows = []
    for fraction in options.fractions:
        trainings = [_Training.from_json(answers[jobs[fraction, seed].name]) for seed in options.seeds]
        rows.append(_make_row(fraction, trainings, dataset))
    study = UnfreezeStudy(
        facts=facts.gather(NAME, dataset, options),
        weights=source.described,
        converged_within=CONVERGED,
        rows=tuple(rows),
        pairs=_compare_ends(dataset, rows[0], rows[-1]),
        trends=_find_trends(rows),
    )
    study_page.write(study, out)
    return study


def _plan(
    options: UnfreezeOptions, place: Mapping[str, str], identity: Mapping[str, str]
) -> dict[tuple[float, int], Job]:
    """Return a job for each fraction and seed, seed by seed; `identity` tells films and weights."""
    shared = {
        "epochs": options.epochs,
        "copies": options.copies,
        "films": options.films,
        "learning_rate": options.learning_rate,
        "backbone": options.backbone,
        "positive": options.positive,
    }
    jobs = {}
    for seed in options.seeds:
        for fraction in options.fractions:
            arguments = shared | {"fraction": fraction, "seed": seed}
            jobs[fraction, seed] = Job(f"{fraction:.0%} seed {seed}", train_part, arguments, place, identity)
    return jobs


@dataclass(frozen=True)
class _Training:
    """What a training answers: figures of each epoch, scores of val and test, and what of the network trained."""

    history: History
    scores: Scores
    frozen_layers: int
    backbone_layers: int
    trainable_parameters: int

    def to_json(self) -> dict[str, Any]:
        """Return the answer as a JSON object."""
        return {
            "history": list(self.history),
            "scores": dict(self.scores),
            "frozen_layers": self.frozen_layers,
            "backbone_layers": self.backbone_layers,
            "trainable_parameters": self.trainable_parameters,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> _Training:
        """Read what `to_json` gave."""
        return cls(**value)


def train_part(
    *,
    fraction: float,
    seed: int,
    epochs: int,
    copies: int,
    films: int | None,
    learning_rate: float,
    backbone: str,
    positive: str,
    data: str,
    weights: str,
    out: str,
) -> dict[str, Any]:
    """Train a fraction of the backbone and return a _Training as JSON: a job.

    Where an earlier run was stopped it goes on from the last whole epoch.
    """
    dataset = thin(open_dataset(data, positive=positive), films)
    options = _options(fraction, seed, epochs, copies, learning_rate, backbone, weights)
    splits = {item.split for item in dataset.items}
    loaded = {split: load_films(dataset, split) for split in ("train", *HELD_OUT) if split in splits}
    classifier = start_classifier(options, len(dataset.labels))
    key = files.sha256_bytes(f"{dataclasses.asdict(options)} {dataset.fingerprint()}".encode())
    place = Path(out) / "checkpoints" / f"{fraction:g}-{seed}" / "checkpoint.npz"
    state = Checkpoint.read(place, key) if place.is_file() else Checkpoint(place)
    history = fit(classifier, loaded["train"], loaded["val"], options, state, key)
    training = _Training(
        history=history,
        scores=_score(classifier, loaded, dataset.labels.index(positive)),
        frozen_layers=freeze(classifier, fraction),
        backbone_layers=len(backbone_of(classifier).layers),
        trainable_parameters=sum(int(np.prod(weight.shape)) for weight in classifier.trainable_weights),
    )
    shutil.rmtree(place.parent)
    return training.to_json()


def _score(classifier: Any, loaded: Mapping[str, Films], at: int) -> Scores:
    """Return the probabilities of class number `at` of the films held out."""
    scores = {}
    for split, films in loaded.items():
        if split != "train":
            answers = classifier.predict(films.pixels, batch_size=32, verbose=0)
            scores[split] = answers[:, at].astype(float).tolist()
    return scores


def _options(
    fraction: float, seed: int, epochs: int, copies: int, learning_rate: float, backbone: str, weights: str
) -> TrainOptions:
    paper = PRESETS["paper"]
    stage = dataclasses.replace(
        paper.stages[0],
        unfreeze=fraction,
        epochs=epochs,
        learning_rate=learning_rate,
        # The whole network has nothing to cache: it augments anew, the same films as the copies of the others.
        copies=min(copies, epochs) if fraction < 1 else 0,
        patience=epochs,
    )
    return dataclasses.replace(paper, preset="study", stages=(stage,), backbone=backbone, weights=weights, seed=seed)


def _make_row(fraction: float, trainings: Sequence[_Training], dataset: Dataset) -> UnfreezeRow:
    losses = [[record["val_loss"] for record in training.history] for training in trainings]
    first = trainings[0]
    return UnfreezeRow(
        fraction=fraction,
        frozen_layers=first.frozen_layers,
        backbone_layers=first.backbone_layers,
        trainable_parameters=first.trainable_parameters,
        figures=tuple(scoring.report(dataset, training.scores) for training in trainings),
        epochs_to_converge=tuple(_converge(own) for own in losses),
        best_epoch=tuple(int(np.argmin(own)) + 1 for own in losses),
        histories=tuple(training.history for training in trainings),
        scores=tuple(training.scores for training in trainings),
    )


def _converge(losses: list[float]) -> int:
    """Return the first epoch, counted from 1, whose validation loss is as good as the lowest."""
    return int(np.argmax(np.array(losses) <= min(losses) + CONVERGED)) + 1


def _compare_ends(dataset: Dataset, first: UnfreezeRow, last: UnfreezeRow) -> tuple[Pair, ...]:
    """Return the tests between the least and the most unfrozen, seed by seed."""
    pairs = []
    for number, figures in enumerate(first.figures):
        before, after = (first.scores[number], figures), (last.scores[number], last.figures[number])
        tested = scoring.compare(dataset, before, after)
        pairs.append(Pair(first.fraction, last.fraction, tested, number))
    return tuple(pairs)


def _find_trends(rows: Sequence[UnfreezeRow]) -> dict[str, Trend]:
    """Return how accuracy, AUC and epochs go with the fraction."""
    groups = {
        "accuracy": [[own.accuracy.value for own in row.figures] for row in rows],
        "auc": [[own.auc.value for own in row.figures] for row in rows],
        "epochs_to_converge": [[float(epoch) for epoch in row.epochs_to_converge] for row in rows],
    }
    return {name: Trend(*scoring.rank_test(values)) for name, values in groups.items()}
