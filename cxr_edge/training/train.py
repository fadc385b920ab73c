"""Train a classifier and leave a bundle: the model, its history and plots, a model card, and the manifest last."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import io
import json
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from cxr_edge.bundles import trust
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import MANIFEST_NAME, Artifact, Manifest
from cxr_edge.contract import InputContract
from cxr_edge.data.dataset import Dataset
from cxr_edge.errors import UsageError
from cxr_edge.metrics import calibration, confusion, summary
from cxr_edge.system import files
from cxr_edge.system.about import __version__
from cxr_edge.system.progress import Progress, say
from cxr_edge.training import card, plots
from cxr_edge.training.distillation import Teachers, start_as
from cxr_edge.training.fit import Checkpoint, fit
from cxr_edge.training.network.heads import start_classifier
from cxr_edge.training.network.model import POOLING
from cxr_edge.training.network.typicality import Typicality
from cxr_edge.training.network.typicality import fit as fit_typicality
from cxr_edge.training.options import TrainOptions
from cxr_edge.training.training_set import Films, load_films

__all__ = ["TYPICALITY_NAME", "save_model", "train"]

TYPICALITY_NAME = "typicality.npz"
_CHECKPOINT_FOLDER = ".checkpoint"
_TEACHERS_FOLDER = ".teachers"
_GO_ON = "add --resume to go on, or remove it to start again"


def train(
    dataset: Dataset,
    options: TrainOptions,
    out: Path,
    *,
    name: str | None = None,
    resume: bool = False,
    teachers: Sequence[Bundle] = (),
) -> Bundle:
    """Train on the splits train and val of `dataset`, measure on test, and write a bundle to the folder `out`.

    `teachers` are the bundles whose answers a preset with a temperature learns; without them it trains its own first.
    A killed run leaves its checkpoint in `out`; `resume` goes on from it. Raises UsageError when `out` already holds
    a bundle, DataError for films that cannot be used, TrainingError, OutputError.
    """
    if (out / MANIFEST_NAME).exists():
        raise UsageError(f"--out {out}: already holds a finished bundle; give another folder, or remove this one")
    if teachers and not options.stages[0].temperature:
        raise UsageError(f"--teacher: the preset {options.preset} learns from labels; leave --preset out")
    if teachers:
        options = dataclasses.replace(options, taught_by=())
    elif options.taught_by:
        teachers = _train_teachers(dataset, options, out / _TEACHERS_FOLDER, resume=resume)
    digests = tuple(teacher.artifact("model.keras").sha256 for teacher in teachers)
    options = dataclasses.replace(options, teachers=digests)
    run = files.sha256_bytes(json.dumps([_record(options), dataset.fingerprint()]).encode())
    checkpoint = _open_checkpoint(out, run, resume=resume)
    together = Teachers.open(teachers, dataset.labels) if teachers else None
    classifier = start_classifier(options, len(dataset.labels))
    if teachers:
        start_as(classifier, teachers[0])
    elif options.weights == "none":
        say("warning: --weights none: the backbone starts from random numbers; expect a weak classifier on few films")
    # Only now: reading the films takes longest, and what the user mistyped is found before.
    files.prepare_folder(out)
    films = _load_splits(dataset)
    history = fit(classifier, films["train"], films["val"], options, checkpoint, run, together)
    classifier.trainable = True
    bundle = _write_bundle(classifier, dataset, films, options, history, out, name or out.name)
    for name in (_CHECKPOINT_FOLDER, _TEACHERS_FOLDER):
        shutil.rmtree(out / name, ignore_errors=True)
    return bundle


def _train_teachers(dataset: Dataset, options: TrainOptions, folder: Path, *, resume: bool) -> list[Bundle]:
    """Train what `options` learns from, each in a folder of its own, and go on where an earlier run stopped."""
    if folder.exists() and not resume:
        raise UsageError(f"--out {folder.parent}: holds an unfinished run; {_GO_ON}")
    lessons = _plan_lessons(dataset, options)
    teachers = []
    for number, (lesson, films) in enumerate(lessons.items(), start=1):
        say(f"teacher {number} of {len(lessons)}")
        place = folder / str(number)
        if (place / MANIFEST_NAME).is_file():
            teachers.append(Bundle.read(place))
        else:
            teachers.append(train(films, lesson, place, resume=place.exists()))
    say(f"one network of {len(teachers)}")
    return teachers


def _plan_lessons(dataset: Dataset, options: TrainOptions) -> dict[TrainOptions, Dataset]:
    """Return the options of each teacher and its films; where all films are of one kind, equal ones come once."""
    real = dataset.only_real()
    mixed = len(real.items) < len(dataset.items)
    lessons: dict[TrainOptions, Dataset] = {}
    for lesson in options.taught_by:
        alone = not any(stage.simulated for stage in lesson.stages)
        if not mixed:
            stages = tuple(dataclasses.replace(stage, simulated=True) for stage in lesson.stages)
            lesson = dataclasses.replace(lesson, stages=stages)
        lessons.setdefault(lesson, real if alone else dataset)
    return lessons


def save_model(classifier: keras.Model, path: Path) -> None:
    """Write a model as .keras, atomically, without the optimizer that trained it (two more copies of each weight)."""
    bare = keras.Model(classifier.inputs[0], classifier.outputs[0], name=classifier.name)
    temporary = path.with_name(f".{uuid.uuid4().hex}.keras")
    try:
        bare.save(temporary)
        files.write_bytes(path, temporary.read_bytes())
    finally:
        temporary.unlink(missing_ok=True)


def _load_splits(dataset: Dataset) -> dict[str, Films]:
    films = {}
    for split in ("train", "val", "test"):
        if split == "test" and not any(item.split == split for item in dataset.items):
            say(f"warning: {dataset.name} has no split 'test'; the card will have no figures of unseen films")
            continue
        with Progress(f"reading {split}", len(dataset.select(split=split).items)) as progress:
            films[split] = load_films(dataset, split, progress)
    return films


def _open_checkpoint(out: Path, run: str, *, resume: bool) -> Checkpoint:
    path = out / _CHECKPOINT_FOLDER / "checkpoint.npz"
    if path.is_file() and not resume:
        raise UsageError(f"--out {out}: holds an unfinished run; {_GO_ON}")
    if not path.is_file():
        if resume:
            say(f"{out} holds no checkpoint; starting from the beginning")
        return Checkpoint(path)
    checkpoint = Checkpoint.read(path, run)
    say(f"going on from stage {checkpoint.stage + 1}, epoch {checkpoint.epoch + 1}")
    return checkpoint


def _write_bundle(
    classifier: keras.Model,
    dataset: Dataset,
    films: dict[str, Films],
    options: TrainOptions,
    history: list[dict[str, float]],
    out: Path,
    name: str,
) -> Bundle:
    positive = dataset.labels.index(dataset.positive)
    scores, features = _predict(classifier, films, positive)
    truth = {split: part.targets[:, positive] > 0 for split, part in films.items()}
    real = {split: _are_main(part) for split, part in films.items()}
    calibrated = calibration.fit(scores["val"][real["val"]], truth["val"][real["val"]])
    threshold = calibrated.threshold
    typicality = fit_typicality(
        features["train"],
        *(features["val"][rows] for rows in (real["val"], ~real["val"]) if rows.any()),
        rank=min(16, len(features["train"]) // 4),
    )
    figures_of = _measure(films, scores, truth, threshold)
    figures_of["val"]["untypical"] = float(np.mean(typicality.score(features["val"][real["val"]]) > typicality.limit))
    shown = [{split: group[split][real[split]] for split in group} for group in (scores, truth)]
    _draw(out, shown[0], shown[1], threshold, history, dataset)
    files.write_json(out / "history.json", history)
    _write_typicality(out / TYPICALITY_NAME, typicality)
    save_model(classifier, out / "model.keras")
    manifest = Manifest(
        name=name,
        architecture=options.backbone,
        labels=dataset.labels,
        positive=dataset.positive,
        threshold=threshold,
        contract=InputContract(),
        artifacts={"model.keras": _artifact(out / "model.keras")},
        typicality_limit=typicality.limit,
        calibration=calibrated.to_json(),
        metrics=figures_of,
        provenance=_provenance(dataset, options, history),
    )
    files.write_text(out / "MODEL_CARD.md", card.write(manifest, dataset))
    extra = [path for path in sorted(out.iterdir()) if path.is_file() and path.name != "model.keras"]
    hashes = {path.name: files.sha256_file(path) for path in extra if not path.name.startswith(".")}
    bundle = Bundle(out, dataclasses.replace(manifest, files=hashes))
    bundle.write_manifest()
    trust.note_made(bundle, bundle.manifest.artifacts)
    return bundle


def _predict(classifier: keras.Model, films: dict[str, Films], positive: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return for each split the scores of the positive class (n,) and the pooled features (n, features)."""
    both = keras.Model(classifier.inputs[0], [classifier.outputs[0], classifier.get_layer(POOLING).output])
    scores, features = {}, {}
    for split, part in films.items():
        rows = []
        with Progress(f"measuring {split}", len(part.pixels)) as progress:
            for start in range(0, len(part.pixels), 32):
                batch = part.pixels[start : start + 32]
                rows.append([np.asarray(value) for value in both(batch, training=False)])
                progress.advance(len(batch))
        scores[split] = np.concatenate([row[0] for row in rows])[:, positive]
        features[split] = np.concatenate([row[1] for row in rows])
    return scores, features


def _measure(
    films: dict[str, Films], scores: dict[str, Any], truth: dict[str, Any], threshold: float
) -> dict[str, Any]:
    """Return the figures of val and test, and of both together: a source may have few films of a class in each.

    Where there are real and simulated films, these are of the real ones, and the simulated ones have rows of their own.
    """
    splits: dict[str, tuple[str, ...]] = {"val": ("val",)}
    if "test" in films:
        splits |= {"test": ("test",), "val+test": ("val", "test")}
    truths, values = (
        {name: np.concatenate([group[s] for s in splits[name]]) for name in splits} for group in (truth, scores)
    )
    found: dict[str, Any] = {}
    for note, other in (("", False), (", simulated", True)):
        for name, members in splits.items():
            rows = np.concatenate([_are_main(films[split]) != other for split in members])
            sources = np.concatenate([films[split].sources for split in members])[rows]
            if rows.any():
                figures = summary.summarise(values[name][rows], truths[name][rows], tuple(sources), threshold)
                found[name + note] = figures.to_json()
    return found


def _are_main(films: Films) -> npt.NDArray[np.bool_]:
    """Return which films the figures are about: the real ones, or all where there are only simulated ones."""
    simulated = films.are_simulated()
    return simulated if simulated.all() else ~simulated


def _draw(
    out: Path,
    scores: dict[str, Any],
    truth: dict[str, Any],
    threshold: float,
    history: list[dict[str, float]],
    dataset: Dataset,
) -> None:
    shown = "test" if "test" in scores else "val"
    negative = next(label for label in dataset.labels if label != dataset.positive)
    curves: dict[str, Any] = {split: (scores[split], truth[split]) for split in ("val", "test") if split in scores}
    plots.save(plots.draw_history(history), out / "history.png")
    plots.save(plots.draw_roc(curves, threshold), out / "roc.png")
    counts = confusion.confuse(scores[shown], truth[shown], threshold)
    plots.save(plots.draw_confusion(counts, (dataset.positive, negative)), out / f"confusion_{shown}.png")


def _write_typicality(path: Path, typicality: Typicality) -> None:
    buffer = io.BytesIO()
    np.savez(
        buffer, allow_pickle=False, **{key: np.asarray(value) for key, value in dataclasses.asdict(typicality).items()}
    )
    files.write_bytes(path, buffer.getvalue())


def _artifact(path: Path) -> Artifact:
    return Artifact(
        name=path.name,
        format="keras",
        quantization="none",
        sha256=files.sha256_file(path),
        size_bytes=path.stat().st_size,
        outputs=("probabilities",),
    )


def _record(options: TrainOptions) -> dict[str, Any]:
    """Return the options by what they mean: where the weights lay is this machine's affair, what they were is not."""
    record = dataclasses.asdict(options)
    # A name that is no file is refused, with its reason, where the weights are read.
    if Path(options.weights).is_file():
        record["weights"] = f"sha256:{files.sha256_file(Path(options.weights))}"
    return record | {"taught_by": [_record(lesson) for lesson in options.taught_by]}


def _provenance(dataset: Dataset, options: TrainOptions, history: list[dict[str, float]]) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for item in dataset.items:
        key = f"{item.split}/{item.source}/{item.label}"
        counts[key] = counts.get(key, 0) + 1
    packages = ("tensorflow-cpu", "tensorflow", "keras", "numpy", "pillow")
    return {
        "train": {
            "cxr_edge": __version__,
            "versions": {name: version for name in packages if (version := _version(name))},
            "options": _record(options),
            "data": {"name": dataset.name, "sha256": dataset.fingerprint(), "films": counts},
            "epochs": len(history),
        }
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
