"""The paper's second comparison: how much of MobileNetV2 to unfreeze, over several seeds.

The paper says that the more is unfrozen, the higher the accuracy and the fewer the epochs. Every training here sees the
same films, augmented in the same way for a seed, and runs the same number of epochs without stopping early, so that the
curves can be laid over one another.
"""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cxr_edge.data.dataset import open_dataset
from cxr_edge.errors import UsageError
from cxr_edge.studies import scoring, weights
from cxr_edge.studies.jobs import Engine, Job, Record, absolute, run_all
from cxr_edge.studies.report import study_page
from cxr_edge.studies.subset import HELD_OUT, describe, thin, truth_of
from cxr_edge.system import files
from cxr_edge.training.checkpoint import Checkpoint
from cxr_edge.training.fit import fit
from cxr_edge.training.network.heads import start_classifier
from cxr_edge.training.network.model import backbone_of, freeze
from cxr_edge.training.options import PRESETS, TrainOptions
from cxr_edge.training.training_set import load_films

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


def run(options: UnfreezeOptions, out: Path, *, resume: bool = False, engine: Engine | None = None) -> dict[str, Any]:
    """Run the study in the folder `out` and return its result. Raises UsageError, DataError, TrainingError.

    Trainings go seed by seed, so that one that is stopped has done every fraction alike.
    """
    options.check()
    dataset = thin(open_dataset(options.data, positive=options.positive), options.films)
    source = weights.find(options.weights, options.backbone)
    if source.weights is None:
        raise UsageError(f"--weights: {source.described}")
    record = Record(out, resume=resume)
    shared = {
        name: getattr(options, name) for name in ("epochs", "copies", "films", "learning_rate", "backbone", "positive")
    }
    jobs = {
        (fraction, seed): Job(
            f"{fraction:.0%} seed {seed}",
            train_part,
            shared | {"fraction": fraction, "seed": seed},
            {"data": absolute(options.data), "weights": absolute(source.weights), "out": str(out.resolve())},
            {"data": dataset.fingerprint(), "weights": source.described},
        )
        for seed in options.seeds
        for fraction in options.fractions
    }
    answers = run_all(list(jobs.values()), record, "trainings", engine or Engine())
    rows = [
        _make_row(fraction, [answers[jobs[fraction, seed].name] for seed in options.seeds], dataset)
        for fraction in options.fractions
    ]
    result = study_page.head(NAME, dataset, options) | {
        "films": describe(dataset),
        "positive": {split: truth_of(dataset, split).positive.tolist() for split in HELD_OUT},
        "weights": source.described,
        "converged_within": CONVERGED,
        "rows": rows,
        "pairs": _compare_ends(dataset, rows),
        "trends": _find_trends(rows),
    }
    study_page.write(result, out)
    return result


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
    """Train a fraction of the backbone and return history and scores of val and test: a job.

    Where an earlier run was stopped it goes on from the last whole epoch.
    """
    dataset = thin(open_dataset(data, positive=positive), films)
    options = _options(fraction, seed, epochs, copies, learning_rate, backbone, weights)
    loaded = {
        split: load_films(dataset, split)
        for split in ("train", "val", "test")
        if any(item.split == split for item in dataset.items)
    }
    classifier = start_classifier(options, len(dataset.labels))
    key = files.sha256_bytes(f"{dataclasses.asdict(options)} {dataset.fingerprint()}".encode())
    place = Path(out) / "checkpoints" / f"{fraction:g}-{seed}" / "checkpoint.npz"
    state = Checkpoint.read(place, key) if place.is_file() else Checkpoint(place)
    history = fit(classifier, loaded["train"], loaded["val"], options, state, key)
    at = dataset.labels.index(positive)
    scores = {
        split: classifier.predict(part.pixels, batch_size=32, verbose=0)[:, at].astype(float).tolist()
        for split, part in loaded.items()
        if split != "train"
    }
    frozen = freeze(classifier, fraction)
    trainable = sum(int(np.prod(weight.shape)) for weight in classifier.trainable_weights)
    shutil.rmtree(place.parent)
    return {
        "history": history,
        "scores": scores,
        "frozen_layers": frozen,
        "backbone_layers": len(backbone_of(classifier).layers),
        "trainable_parameters": trainable,
    }


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


def _make_row(fraction: float, answers: list[dict[str, Any]], dataset: Any) -> dict[str, Any]:
    losses = [[record["val_loss"] for record in answer["history"]] for answer in answers]
    return {
        "fraction": fraction,
        "frozen_layers": answers[0]["frozen_layers"],
        "backbone_layers": answers[0]["backbone_layers"],
        "trainable_parameters": answers[0]["trainable_parameters"],
        "figures": [scoring.report(dataset, answer["scores"]) for answer in answers],
        "epochs_to_converge": [_converge(own) for own in losses],
        "best_epoch": [int(np.argmin(own)) + 1 for own in losses],
        "histories": [answer["history"] for answer in answers],
        "scores": [answer["scores"] for answer in answers],
    }


def _converge(losses: list[float]) -> int:
    """Return the first epoch, counted from 1, whose validation loss is as good as the lowest."""
    return int(np.argmax(np.array(losses) <= min(losses) + CONVERGED)) + 1


def _compare_ends(dataset: Any, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tests between the least and the most unfrozen, seed by seed."""
    pairs = []
    first, last = rows[0], rows[-1]
    for number, (before, after) in enumerate(zip(first["scores"], last["scores"], strict=True)):
        split = first["figures"][number]["split"]
        bars = first["figures"][number]["threshold"], last["figures"][number]["threshold"]
        positive = truth_of(dataset, split).positive
        tested = scoring.compare(np.array(before[split]), np.array(after[split]), positive, bars)
        pairs.append({"from": first["fraction"], "to": last["fraction"], "seed_number": number} | tested)
    return pairs


def _find_trends(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return for accuracy, AUC and epochs how they go with the fraction: Spearman's rank correlation and its p."""
    groups = {
        "accuracy": [[own["accuracy"] for own in row["figures"]] for row in rows],
        "auc": [[own["auc"] for own in row["figures"]] for row in rows],
        "epochs_to_converge": [row["epochs_to_converge"] for row in rows],
    }
    return {
        name: dict(zip(("spearman", "p"), scoring.rank_test(values), strict=True)) for name, values in groups.items()
    }
