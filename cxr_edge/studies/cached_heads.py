"""One training of a head on cached features, as a job: what `study backbones` and `study balance` are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge.contract import Pixels
from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.studies.jobs import Job, Record, absolute
from cxr_edge.studies.scoring import Scores
from cxr_edge.studies.subset import HELD_OUT, thin
from cxr_edge.system import files
from cxr_edge.system.progress import Progress
from cxr_edge.training.augment import PAPER, augment_batch
from cxr_edge.training.network.features import Floats, extract, keep
from cxr_edge.training.network.heads import HeadOptions, fit_head
from cxr_edge.training.network.model import build_classifier

__all__ = [
    "AUGMENT",
    "HeadSpec",
    "Place",
    "TrainedHead",
    "all_features",
    "features_of",
    "head_job",
    "head_path",
    "prepare",
    "train_head",
]

AUGMENT = "augment"
"""The balance by further augmented copies of the smaller class."""


@dataclass(frozen=True)
class Place:
    """Where films and weights are, and where features are kept: what an answer does not depend on."""

    data: str
    weights: str
    cache: str

    @classmethod
    def of(cls, data: str, weights: str, out: Path) -> Place:
        """Return the place of a study in the folder `out`, its paths the same from wherever a training runs."""
        return cls(absolute(data), absolute(weights), str(out.resolve() / "features"))


@dataclass(frozen=True)
class HeadSpec:
    """What an answer does depend on, beside the films and the weights' own hash."""

    backbone: str = "mobilenetv2"
    balance: str = "none"
    seed: int = 0
    epochs: int = 60
    films: int | None = None
    positive: str = "covid"


def head_job(name: str, spec: HeadSpec, place: Place, facts: Mapping[str, str]) -> Job:
    """Return the job of one training; `facts` identify films and weights."""
    return Job(name, train_head, dataclasses.asdict(spec), dataclasses.asdict(place) | {"name": name}, facts)


def prepare(dataset: Dataset, backbone: str, place: Place, jobs: Sequence[Job], record: Record) -> None:
    """Compute the features that the jobs will ask for, where any is left to do, so that no two compute them at once."""
    if any(record.get(job) is None for job in jobs):
        all_features(dataset, backbone, place.weights, Path(place.cache))


def features_of(dataset: Dataset, backbone: str, weights: str, cache: Path) -> dict[str, Floats]:
    """Return the pooled features of each split, (n, features); see `all_features`."""
    kept = all_features(dataset, backbone, weights, cache)
    splits = np.array([item.split for item in dataset.items])
    return {str(split): kept[splits == split] for split in np.unique(splits)}


def all_features(dataset: Dataset, backbone: str, weights: str, cache: Path) -> Floats:
    """Return the pooled features of all films, (n, features), computed once and kept in the folder `cache`."""
    source = _Source(backbone, weights, cache)
    key = files.sha256_bytes(f"{source.identity} {dataset.fingerprint()}".encode())

    def make() -> Floats:
        with Progress("reading films", len(dataset.items)) as progress:
            pixels = dataset.pixels(progress=progress)
        return source.extract(pixels, f"features of {backbone}")

    return keep(cache / f"{backbone}-{key[:12]}.npz", key, make)


@dataclass(frozen=True)
class TrainedHead:
    """What a training answers: the figures of each epoch, the best one, counted from 0, and scores of val and test."""

    history: Mapping[str, list[float]]
    best: int
    scores: Scores

    def to_json(self) -> dict[str, Any]:
        """Return the answer as a JSON object."""
        return {"history": dict(self.history), "best": self.best, "scores": dict(self.scores)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TrainedHead:
        """Read what `to_json` gave."""
        return cls(value["history"], value["best"], value["scores"])


def train_head(
    *,
    backbone: str,
    balance: str,
    seed: int,
    epochs: int,
    films: int | None,
    positive: str,
    data: str,
    weights: str,
    cache: str,
    name: str,
) -> dict[str, Any]:
    """Train a head and return a TrainedHead as JSON; its weights are kept in `cache`: a job."""
    source = _Source(backbone, weights, Path(cache))
    whole = open_dataset(data, positive=positive)
    part = thin(whole, films)
    inputs = _gather(whole, part, source)
    if balance == AUGMENT:
        inputs = _add_copies(inputs, part, source, seed)
        balance = "none"
    one_hot = np.eye(len(part.labels), dtype=np.float32)
    targets = {split: one_hot[own] for split, own in inputs.labels.items()}
    fitted = fit_head(inputs.features, targets, inputs.sources, HeadOptions(epochs=epochs, balance=balance, seed=seed))
    fitted.head.save_weights(head_path(Path(cache), name))
    at = part.labels.index(positive)
    held_out = [split for split in HELD_OUT if split in inputs.features]
    scores = {split: fitted.score(inputs.features[split], at).astype(float).tolist() for split in held_out}
    return TrainedHead(fitted.history, fitted.best, scores).to_json()


def head_path(cache: Path, name: str) -> Path:
    """Return where the weights of the head are kept that the job `name` trains."""
    return cache / f"{name.replace(' ', '-')}.weights.h5"


@dataclass(frozen=True)
class _Source:
    """What makes features, and where they are kept."""

    backbone: str
    weights: str
    cache: Path

    @property
    def identity(self) -> str:
        """What features depend on, beside the films."""
        return f"{self.backbone} {_identify(self.weights)}"

    def extract(self, pixels: Pixels, label: str) -> Floats:
        """Return the pooled features of films, (n, features)."""
        return extract(build_classifier(self.backbone, weights=self.weights), pixels, label)


@dataclass(frozen=True)
class _Inputs:
    """What a head is trained and measured on: features and label numbers by split, and the training films' sources."""

    features: dict[str, Floats]
    labels: dict[str, npt.NDArray[np.int64]]
    sources: tuple[str, ...]

    def add(self, features: Floats, labels: npt.NDArray[np.int64], sources: tuple[str, ...]) -> _Inputs:
        """Return the inputs with further training films."""
        return _Inputs(
            self.features | {"train": np.concatenate([self.features["train"], features])},
            self.labels | {"train": np.concatenate([self.labels["train"], labels])},
            self.sources + sources,
        )


def _gather(whole: Dataset, part: Dataset, source: _Source) -> _Inputs:
    """Return the inputs of `part`, whose features are some of those of the whole data set."""
    features = features_of(whole, source.backbone, source.weights, source.cache)
    kept = {item.item_id for item in part.items}
    rows = np.array([item.item_id in kept for item in whole.items if item.split == "train"])
    labels = {split: part.select(split=split).targets() for split in features}
    sources = tuple(item.source for item in part.items if item.split == "train")
    return _Inputs(features | {"train": features["train"][rows]}, labels, sources)


def _add_copies(inputs: _Inputs, part: Dataset, source: _Source, seed: int) -> _Inputs:
    """Return the inputs with augmented copies of the smaller class added until both classes are equal."""
    training = part.select(split="train")
    counts = np.bincount(inputs.labels["train"])
    small = int(counts.argmin())
    of_small = np.flatnonzero(inputs.labels["train"] == small)
    chosen = np.random.default_rng(seed).choice(of_small, counts.max() - counts.min())
    items = tuple(training.items[row] for row in chosen)
    if not items:
        return inputs
    key = files.sha256_bytes(f"{source.identity} {training.fingerprint()} copies {seed}".encode())

    def make() -> Floats:
        films = [item.pixels() for item in items]
        pixels = augment_batch(films, PAPER, [(seed, number) for number in range(len(items))])
        return source.extract(pixels, f"augmented copies, seed {seed}")

    copies = keep(source.cache / f"{source.backbone}-copies-{key[:12]}.npz", key, make)
    return inputs.add(copies, np.full(len(items), small), tuple(item.source for item in items))


def _identify(weights: str) -> str:
    return weights if weights in ("imagenet", "none") else files.sha256_file(Path(weights))
