"""One training of a head on cached features, as a job: what `study backbones` and `study balance` are made of."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.studies.jobs import Job, Record, absolute
from cxr_edge.studies.subset import HELD_OUT, thin
from cxr_edge.system import files
from cxr_edge.system.progress import Progress
from cxr_edge.training.augment import PAPER, augment_batch
from cxr_edge.training.network.features import Floats, extract, keep
from cxr_edge.training.network.heads import HeadOptions, fit_head
from cxr_edge.training.network.model import build_classifier

__all__ = ["AUGMENT", "HeadSpec", "Place", "all_features", "features_of", "head_job", "prepare", "train_head"]

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


def head_job(name: str, spec: HeadSpec, place: Place, facts: dict[str, Any]) -> Job:
    """Return the job of one training; `facts` identify films and weights."""
    return Job(name, train_head, dataclasses.asdict(spec), dataclasses.asdict(place) | {"name": name}, facts)


def prepare(dataset: Dataset, backbone: str, place: Place, jobs: list[Job], record: Record) -> None:
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
    key = files.sha256_bytes(f"{backbone} {_identify(weights)} {dataset.fingerprint()}".encode())

    def make() -> Floats:
        with Progress("reading films", len(dataset.items)) as progress:
            pixels = dataset.pixels(progress=progress)
        return extract(build_classifier(backbone, weights=weights), pixels, f"features of {backbone}")

    return keep(cache / f"{backbone}-{key[:12]}.npz", key, make)


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
    """Train a head and return history, best epoch and the scores of val and test; its weights are kept in `cache`."""
    whole = open_dataset(data, positive=positive)
    features = features_of(whole, backbone, weights, Path(cache))
    part = thin(whole, films)
    kept = {item.item_id for item in part.items}
    rows = np.array([item.item_id in kept for item in whole.items if item.split == "train"])
    features = features | {"train": features["train"][rows]}
    one_hot = np.eye(len(part.labels), dtype=np.float32)
    labels = {split: part.select(split=split).targets() for split in features}
    sources = tuple(item.source for item in part.items if item.split == "train")
    if balance == AUGMENT:
        features, labels, sources = _add_copies(part, features, labels, sources, backbone, weights, Path(cache), seed)
    fitted = fit_head(
        features,
        {split: one_hot[own] for split, own in labels.items()},
        sources,
        HeadOptions(epochs=epochs, balance="none" if balance == AUGMENT else balance, seed=seed),
    )
    fitted.head.save_weights(_place(Path(cache), name))
    at = part.labels.index(positive)
    return {
        "history": fitted.history,
        "best": fitted.best,
        "scores": {s: fitted.score(features[s], at).astype(float).tolist() for s in HELD_OUT if s in features},
    }


def _place(cache: Path, name: str) -> Path:
    return cache / f"{name.replace(' ', '-')}.weights.h5"


def _add_copies(
    part: Dataset,
    features: dict[str, Floats],
    labels: dict[str, Any],
    sources: tuple[str, ...],
    backbone: str,
    weights: str,
    cache: Path,
    seed: int,
) -> tuple[dict[str, Floats], dict[str, Any], tuple[str, ...]]:
    """Return the training films with augmented copies of the smaller class added until both classes are equal."""
    training = part.select(split="train")
    counts = np.bincount(labels["train"])
    small = int(counts.argmin())
    chosen = np.random.default_rng(seed).choice(np.flatnonzero(labels["train"] == small), counts.max() - counts.min())
    items = tuple(training.items[row] for row in chosen)
    key = files.sha256_bytes(f"{backbone} {_identify(weights)} {training.fingerprint()} copies {seed}".encode())

    def make() -> Floats:
        films = [item.pixels() for item in items]
        seeds = [(seed, number) for number in range(len(items))]
        pixels = augment_batch(films, PAPER, seeds)
        return extract(build_classifier(backbone, weights=weights), pixels, f"augmented copies, seed {seed}")

    if not len(items):
        return features, labels, sources
    copies = keep(cache / f"{backbone}-copies-{key[:12]}.npz", key, make)
    return (
        features | {"train": np.concatenate([features["train"], copies])},
        labels | {"train": np.concatenate([labels["train"], np.full(len(items), small)])},
        (*sources, *(item.source for item in items)),
    )


def _identify(weights: str) -> str:
    return weights if weights in ("imagenet", "none") else files.sha256_file(Path(weights))
