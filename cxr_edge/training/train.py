"""Train a classifier and leave a bundle: teachers first where it has some, then all stages, then what they gave."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import keras

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import MANIFEST_NAME
from cxr_edge.contract import KERAS_NAME
from cxr_edge.data.dataset import Dataset
from cxr_edge.data.sufficiency import require_measurable
from cxr_edge.errors import UsageError
from cxr_edge.system import files
from cxr_edge.system.progress import Progress, say
from cxr_edge.training.checkpoint import Checkpoint
from cxr_edge.training.distillation import Teachers, start_as
from cxr_edge.training.fit import fit
from cxr_edge.training.network.heads import start_classifier
from cxr_edge.training.options import TrainOptions
from cxr_edge.training.outcome.bundle_writer import Trained, options_to_json, write_bundle
from cxr_edge.training.training_set import Films, load_films

__all__ = ["train"]

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
    _check(options, out, teachers)
    require_measurable(dataset)
    if teachers:
        options = dataclasses.replace(options, taught_by=())
    elif options.taught_by:
        teachers = _train_teachers(dataset, options, out / _TEACHERS_FOLDER, resume=resume)
    digests = tuple(teacher.artifact(KERAS_NAME).sha256 for teacher in teachers)
    options = dataclasses.replace(options, teachers=digests)
    run = files.sha256_bytes(json.dumps([options_to_json(options), dataset.fingerprint()]).encode())
    checkpoint = _open_checkpoint(out, run, resume=resume)
    together = Teachers.open(teachers, dataset.labels) if teachers else None
    classifier = _start(options, dataset, teachers)
    # Only now: reading the films takes longest, and what the user mistyped is found before.
    files.prepare_folder(out)
    films = _load_splits(dataset)
    history = fit(classifier, films["train"], films["val"], options, checkpoint, run, together)
    classifier.trainable = True
    bundle = write_bundle(Trained(classifier, dataset, films, options, history), out, name or out.name)
    for folder in (_CHECKPOINT_FOLDER, _TEACHERS_FOLDER):
        shutil.rmtree(out / folder, ignore_errors=True)
    return bundle


def _check(options: TrainOptions, out: Path, teachers: Sequence[Bundle]) -> None:
    if (out / MANIFEST_NAME).exists():
        raise UsageError(f"--out {out}: already holds a finished bundle; give another folder, or remove this one")
    if teachers and not options.stages[0].temperature:
        raise UsageError(f"--teacher: the preset {options.preset} learns from labels; leave --preset out")


def _start(options: TrainOptions, dataset: Dataset, teachers: Sequence[Bundle]) -> keras.Model:
    """Return the classifier before its first epoch: as the first teacher, or with the weights of the options."""
    classifier = start_classifier(options, len(dataset.labels))
    if teachers:
        start_as(classifier, teachers[0])
    elif options.weights == "none":
        say("warning: --weights none: the backbone starts from random numbers; expect a weak classifier on few films")
    return classifier


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
