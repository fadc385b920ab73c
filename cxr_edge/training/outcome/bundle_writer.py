"""Write the bundle of a trained classifier: model, history, plots, card, and the manifest last."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import io
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cxr_edge.bundles import trust
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact, Manifest
from cxr_edge.contract import KERAS_NAME, TYPICALITY_NAME, InputContract
from cxr_edge.data.dataset import Dataset
from cxr_edge.metrics import calibration, confusion
from cxr_edge.system import files
from cxr_edge.system.about import __version__
from cxr_edge.training.checkpoint import Epoch
from cxr_edge.training.network import typicality
from cxr_edge.training.network.typicality import Typicality
from cxr_edge.training.options import TrainOptions
from cxr_edge.training.outcome import card, figures, plots
from cxr_edge.training.outcome.figures import SplitAnswers
from cxr_edge.training.training_set import Films

__all__ = ["Trained", "options_to_json", "save_model", "write_bundle"]

_CARD_NAME = "MODEL_CARD.md"
_HISTORY_NAME = "history.json"
_PACKAGES = ("tensorflow-cpu", "tensorflow", "keras", "numpy", "pillow")


@dataclass(frozen=True)
class Trained:
    """A classifier whose training is over, what it learned from, and how; `films` are those of each split."""

    classifier: keras.Model
    dataset: Dataset
    films: Mapping[str, Films]
    options: TrainOptions
    history: Sequence[Epoch]


def write_bundle(trained: Trained, out: Path, name: str) -> Bundle:
    """Measure the classifier, choose its operating point on val, and write its bundle to the folder `out`."""
    dataset = trained.dataset
    answers = figures.answer(trained.classifier, trained.films, dataset.labels.index(dataset.positive))
    val = answers["val"]
    calibrated = calibration.fit(val.main_scores, val.main_positive)
    known = _fit_typicality(answers)
    metrics = figures.summarise(answers, calibrated.threshold)
    metrics["val"]["untypical"] = float(np.mean(known.score(val.features[val.main]) > known.limit))
    _draw(out, answers, calibrated.threshold, trained)
    files.write_json(out / _HISTORY_NAME, trained.history)
    files.write_bytes(out / TYPICALITY_NAME, _to_npz(known))
    save_model(trained.classifier, out / KERAS_NAME)
    manifest = Manifest(
        name=name,
        architecture=trained.options.backbone,
        labels=dataset.labels,
        positive=dataset.positive,
        threshold=calibrated.threshold,
        contract=InputContract(),
        artifacts={KERAS_NAME: _describe_model(out / KERAS_NAME)},
        typicality_limit=known.limit,
        calibration=calibrated.to_json(),
        metrics=metrics,
        provenance={"train": _provenance(trained)},
    )
    files.write_text(out / _CARD_NAME, card.write(manifest, dataset))
    bundle = Bundle(out, dataclasses.replace(manifest, files=_hash_files(out)))
    bundle.write_manifest()
    trust.note_made(bundle, bundle.manifest.artifacts)
    return bundle


def save_model(classifier: keras.Model, path: Path) -> None:
    """Write a model as .keras, atomically, without the optimizer that trained it (two more copies of each weight)."""
    bare = keras.Model(classifier.inputs[0], classifier.outputs[0], name=classifier.name)
    temporary = path.with_name(f".{uuid.uuid4().hex}.keras")
    try:
        bare.save(temporary)
        files.write_bytes(path, temporary.read_bytes())
    finally:
        temporary.unlink(missing_ok=True)


def options_to_json(options: TrainOptions) -> dict[str, Any]:
    """Return the options by what they mean: where the weights lay is this machine's affair, what they were is not."""
    record = dataclasses.asdict(options)
    # A name that is no file is refused, with its reason, where the weights are read.
    if Path(options.weights).is_file():
        record["weights"] = f"sha256:{files.sha256_file(Path(options.weights))}"
    return record | {"taught_by": [options_to_json(lesson) for lesson in options.taught_by]}


def _fit_typicality(answers: Mapping[str, SplitAnswers]) -> Typicality:
    """Fit to the films of train; the limit holds for real and for simulated films of val alike."""
    train, val = answers["train"].features, answers["val"]
    groups = [val.features[rows] for rows in (val.main, ~val.main) if rows.any()]
    return typicality.fit(train, *groups, rank=min(16, len(train) // 4))


def _draw(out: Path, answers: Mapping[str, SplitAnswers], threshold: float, trained: Trained) -> None:
    dataset = trained.dataset
    judged = {split: answers[split] for split in ("val", "test") if split in answers}
    shown = "test" if "test" in judged else "val"
    negative = next(label for label in dataset.labels if label != dataset.positive)
    curves = {split: (own.main_scores, own.main_positive) for split, own in judged.items()}
    plots.save(plots.draw_history(trained.history), out / "history.png")
    plots.save(plots.draw_roc(curves, threshold), out / "roc.png")
    scores, positive = curves[shown]
    counts = confusion.confuse(scores, positive, threshold)
    plots.save(plots.draw_confusion(counts, (dataset.positive, negative)), out / f"confusion_{shown}.png")


def _to_npz(known: Typicality) -> bytes:
    buffer = io.BytesIO()
    arrays = {name: np.asarray(value) for name, value in dataclasses.asdict(known).items()}
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _describe_model(path: Path) -> Artifact:
    return Artifact(
        name=path.name,
        format="keras",
        quantization="none",
        sha256=files.sha256_file(path),
        size_bytes=path.stat().st_size,
        outputs=("probabilities",),
    )


def _hash_files(out: Path) -> dict[str, str]:
    """Return the hash of every file beside the model; temporary ones, whose names start with a dot, are left out."""
    kept = [path for path in sorted(out.iterdir()) if path.is_file() and not path.name.startswith(".")]
    return {path.name: files.sha256_file(path) for path in kept if path.name != KERAS_NAME}


def _provenance(trained: Trained) -> dict[str, Any]:
    dataset = trained.dataset
    return {
        "cxr_edge": __version__,
        "versions": _versions(),
        "options": options_to_json(trained.options),
        "data": {
            "name": dataset.name,
            "sha256": dataset.fingerprint(),
            "films": dict(Counter(f"{item.split}/{item.source}/{item.label}" for item in dataset.items)),
        },
        "epochs": len(trained.history),
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
