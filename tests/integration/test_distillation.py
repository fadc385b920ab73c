"""A student learns what its teachers say together, whatever the labels are."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.data.dataset import open_dataset
from cxr_edge.errors import UsageError
from cxr_edge.phantom.sets import write_folder
from cxr_edge.training.augment import NONE
from cxr_edge.training.checkpoint import Checkpoint
from cxr_edge.training.distillation import DistillationLoss, Teacher, Teachers, start_as
from cxr_edge.training.fit import fit
from cxr_edge.training.network.model import build_classifier
from cxr_edge.training.options import build
from cxr_edge.training.train import train
from cxr_edge.training.training_set import load_films

BLACK = np.zeros((3, 224, 224, 3), np.uint8)


def says(*answer: float) -> Any:
    return lambda pixels: np.tile(np.array(answer, np.float32), (len(pixels), 1))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    write_folder(folder, {"train": 16, "val": 8, "test": 8})
    return folder


@pytest.fixture(scope="module")
def teacher(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    options = build(preset="paper", weights="none", unfreeze=0.0, epochs=1)
    return train(open_dataset(films), options, tmp_path_factory.mktemp("teacher") / "bundle")


def test_teachers_answer_with_their_mean_logit() -> None:
    both = Teachers([Teacher(says(0.9, 0.1), [0, 1]), Teacher(says(0.5, 0.5), [0, 1])]).score(BLACK, ["a"] * 3)
    # The logits are log 9 and 0; their mean is log 3.
    assert both == pytest.approx(np.tile([0.75, 0.25], (3, 1)), abs=1e-6)


def test_a_teachers_labels_may_stand_in_another_order() -> None:
    answers = Teachers([Teacher(says(0.9, 0.1), [1, 0])]).score(BLACK, ["a"] * 3)
    assert answers[0] == pytest.approx([0.1, 0.9])


def test_a_film_is_shown_to_those_who_know_its_source() -> None:
    knows_a = Teacher(says(0.9, 0.1), [0, 1], frozenset({"a"}))
    knows_both = Teacher(says(0.5, 0.5), [0, 1], frozenset({"a", "b"}))
    answers = Teachers([knows_a, knows_both]).score(BLACK, ["a", "b", "unknown"])
    assert answers[:, 0] == pytest.approx([0.75, 0.5, 0.75], abs=1e-6)


def test_a_teacher_from_elsewhere_answers_the_same(teacher: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    films = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    ours = Teachers.open([teacher], teacher.manifest.labels).score(films, ["a", "b"])
    monkeypatch.setattr("cxr_edge.bundles.trust.is_ours", lambda digest: False)
    theirs = Teachers.open([teacher], teacher.manifest.labels).score(films, ["a", "b"])
    assert theirs == pytest.approx(ours, abs=1e-4)


def test_the_loss_is_least_where_the_student_says_the_same() -> None:
    loss = DistillationLoss(2.0)
    taught = np.array([[0.8, 0.2]], np.float32)
    losses = {
        share: float(loss(taught, np.array([[share, 1 - share]], np.float32))) for share in (0.5, 0.7, 0.8, 0.9, 1.0)
    }
    assert min(losses, key=losses.__getitem__) == 0.8
    assert np.isfinite(losses[1.0])


def test_a_certain_teacher_gives_the_square_of_the_temperature_times_the_softened_cross_entropy() -> None:
    value = float(DistillationLoss(2.0)(np.array([[0.5, 0.5]], np.float32), np.array([[0.9, 0.1]], np.float32)))
    softened = np.array([3.0, 1.0]) / 4  # the roots of 9 : 1
    assert value == pytest.approx(-4 * np.mean(np.log(softened)), rel=1e-5)


def test_a_student_follows_its_teachers_against_the_labels(films: Path, tmp_path: Path) -> None:
    shown = load_films(open_dataset(films), "train")
    assert shown.targets[:, 0].mean() == 0.5
    options = build(weights="none", unfreeze=0.0)
    stage = dataclasses.replace(
        options.stages[0], epochs=40, patience=40, learning_rate=0.05, average=0, shake=0, cosine=False
    )
    options = dataclasses.replace(options, stages=(stage,), augmentation=NONE, balance="none")
    classifier = build_classifier(weights="none", dropout=0.0)
    teachers = Teachers([Teacher(says(0.9, 0.1), [0, 1])])
    fit(classifier, shown, shown, options, Checkpoint(tmp_path / "checkpoint.npz"), "run", teachers)
    answers = np.asarray(classifier(shown.pixels, training=False))
    assert answers[:, 0] == pytest.approx(0.9, abs=0.03)


def test_a_distilled_bundle_names_its_teachers(films: Path, teacher: Bundle, tmp_path: Path) -> None:
    options = build(weights="none", unfreeze=0.0, epochs=1)
    made = train(open_dataset(films), options, tmp_path / "student", teachers=[teacher, teacher])
    recorded = Bundle.read(made.path).manifest.provenance["train"]["options"]
    digest = teacher.artifact("model.keras").sha256
    assert recorded["teachers"] == [digest, digest]
    assert digest[:16] in (made.path / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_without_teachers_it_trains_its_own_and_goes_on_where_it_was_stopped(films: Path, tmp_path: Path) -> None:
    # The films are drawn, so that the teacher without drawn films is the first one again, and comes once.
    options = build(weights="none", unfreeze=0.0, epochs=1)
    out = tmp_path / "student"
    made = train(open_dataset(films), options.taught_by[0], out / ".teachers" / "1")
    digest = made.artifact("model.keras").sha256
    with pytest.raises(UsageError, match="holds an unfinished run; add --resume"):
        train(open_dataset(films), options, out)
    bundle = train(open_dataset(films), options, out, resume=True)
    recorded = bundle.manifest.provenance["train"]["options"]
    assert recorded["teachers"][0] == digest
    assert len(set(recorded["teachers"])) == 2
    assert [teacher["preset"] for teacher in recorded["taught_by"]] == ["single"] * 3
    assert not [path for path in out.iterdir() if path.is_dir()]


def test_a_preset_of_labels_takes_no_teacher(films: Path, teacher: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--teacher: the preset paper learns from labels; leave --preset out"):
        train(open_dataset(films), build(preset="paper", weights="none"), tmp_path / "student", teachers=[teacher])
    assert not (tmp_path / "student").exists()


def test_a_teacher_of_other_classes_is_refused(teacher: Bundle) -> None:
    with pytest.raises(UsageError, match="tells covid, noncovid, the films are well, ill; give a bundle"):
        Teachers.open([teacher], ("well", "ill"))


def test_the_student_starts_as_the_first_teacher(teacher: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    student = build_classifier(weights="none")
    start_as(student, teacher)
    films = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    answers = Teachers.open([teacher], teacher.manifest.labels).score(films, ["a", "b"])
    assert np.asarray(student(films, training=False)) == pytest.approx(answers, abs=1e-4)

    with pytest.raises(UsageError, match="is mobilenetv2, and the student starts as a copy"):
        start_as(build_classifier("xception", weights="none"), teacher)
    monkeypatch.setattr("cxr_edge.bundles.trust.is_ours", lambda digest: False)
    with pytest.raises(UsageError, match="was not made here"):
        start_as(student, teacher)
