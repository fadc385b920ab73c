"""A whole training run on a few simulated films: what it leaves, and how it goes on after a kill."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.data.dataset import open_dataset
from cxr_edge.errors import DataError, TrainingError, UsageError
from cxr_edge.phantom.sets import write_folder
from cxr_edge.training.augment import Augmentation
from cxr_edge.training.checkpoint import Checkpoint
from cxr_edge.training.fit import fit
from cxr_edge.training.network.model import build_classifier
from cxr_edge.training.options import build
from cxr_edge.training.train import train
from cxr_edge.training.training_set import Batches, Films, TrainingSet, load_films


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    write_folder(folder, {"train": 24, "val": 12, "test": 12})
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights, made here from random numbers; a resumed run finds it under another name."""
    path = tmp_path_factory.mktemp("weights") / "first.weights.h5"
    keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(224, 224, 3)).save_weights(path)
    return path


def command(films: Path, out: Path, weights: Path, *more: str) -> list[str]:
    options = ["--preset", "single", "--weights", str(weights), "--unfreeze", "0", "--epochs", "6", *more]
    return [sys.executable, "-m", "cxr_edge.cli.main", "train", str(films), "--out", str(out), *options]


@pytest.fixture(scope="module")
def resumed(films: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose training was killed after its first checkpoint and then resumed."""
    out = tmp_path_factory.mktemp("run") / "bundle"
    checkpoint = out / ".checkpoint" / "checkpoint.npz"
    run = subprocess.Popen(command(films, out, weights), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not checkpoint.exists() and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert checkpoint.exists(), "the run ended before its first checkpoint"
    assert not (out / "manifest.json").exists()
    again = subprocess.run(command(films, out, weights), capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "add --resume to go on" in again.stderr
    # What the weights are makes the run, not where they lie.
    moved = weights.rename(weights.with_name("moved.weights.h5"))
    finished = subprocess.run(command(films, out, moved, "--resume"), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "; all stages: about " in finished.stderr
    assert finished.stdout.splitlines()[0].startswith(f"{out}: test: AUC within source ")
    assert "going on from stage 1, epoch" in finished.stderr
    return out


def test_a_resumed_run_counts_every_epoch_once(resumed: Path) -> None:
    history = json.loads((resumed / "history.json").read_text())
    assert [record["epoch"] for record in history] == list(range(len(history)))
    assert len(history) == 6


def test_a_run_killed_after_its_last_epoch_keeps_what_it_learned(films: Path, tmp_path: Path) -> None:
    options = build(preset="single", weights="none", unfreeze=0, epochs=1)
    loaded = load_films(open_dataset(films), "train")
    classifier = build_classifier(weights="none")
    learned = [weights + 1 for weights in classifier.get_weights()]
    state = Checkpoint(tmp_path / "checkpoint.npz", stage=len(options.stages), weights=learned)
    fit(classifier, loaded, loaded, options, state, "run")
    assert all(np.array_equal(*pair) for pair in zip(classifier.get_weights(), learned, strict=True))


def test_a_run_leaves_model_history_plots_and_card(resumed: Path) -> None:
    left = {path.name for path in resumed.iterdir()}
    plots = {"history.png", "roc.png", "confusion_test.png"}
    assert left == plots | {"model.keras", "manifest.json", "history.json", "typicality.npz", "MODEL_CARD.md"}


def test_every_file_of_a_bundle_is_proved_by_its_manifest(resumed: Path) -> None:
    bundle = Bundle.read(resumed)
    assert bundle.artifact_bytes(bundle.artifact("model.keras"))
    for name in bundle.manifest.files:
        assert bundle.file_bytes(name)


def test_the_card_has_figures_data_and_the_research_note(resumed: Path) -> None:
    card = (resumed / "MODEL_CARD.md").read_text()
    assert card.count("For research only; not for diagnosis.") == 2
    assert "| test |" in card
    assert "phantom-a" in card


def test_the_manifest_has_the_temperature_beside_the_threshold_it_goes_with(resumed: Path) -> None:
    manifest = Bundle.read(resumed).manifest
    assert manifest.calibration["threshold"] == manifest.threshold
    assert (manifest.calibration["rule"], manifest.calibration["split"]) == ("youden-1se", "val")
    assert manifest.calibration["temperature"] > 0


def test_the_manifest_names_no_place_on_the_machine(resumed: Path, films: Path) -> None:
    assert str(films.parent) not in (resumed / "manifest.json").read_text()


def test_a_finished_bundle_is_not_trained_over(resumed: Path, films: Path) -> None:
    with pytest.raises(UsageError, match="already holds a finished bundle"):
        train(open_dataset(films), build(weights="none"), resumed)


def test_a_set_too_small_for_its_figures_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    few = write_folder(tmp_path / "few", {"train": 8, "val": 2, "test": 4}).parent

    with pytest.raises(DataError, match="split 'val' has 1 image of class 'covid'"):
        train(open_dataset(few), build(preset="single", weights="none"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_real_and_simulated_films_are_measured_apart(films: Path, tmp_path: Path) -> None:
    real, drawn = open_dataset(films), open_dataset("phantom")
    counts = {"train": 8, "val": 10, "test": 10}
    few = [item for split, count in counts.items() for item in drawn.select(split=split).items[:count]]
    # Written to disk, drawn films keep the names of their sources; here they stand for a hospital's.
    hospital = tuple(dataclasses.replace(item, source="hospital") for item in real.items)
    both = dataclasses.replace(real, items=hospital).join(dataclasses.replace(drawn, items=tuple(few)))
    bundle = train(both, build(preset="single", weights="none", unfreeze=0, epochs=1), tmp_path / "both")
    figures = bundle.manifest.metrics
    films_of = {name: figures[name]["positive_films"] + figures[name]["negative_films"] for name in figures}
    assert films_of == {
        "val": 12,
        "test": 12,
        "val+test": 24,
        "val, simulated": 10,
        "test, simulated": 10,
        "val+test, simulated": 20,
    }
    assert "| test, simulated |" in bundle.file_bytes("MODEL_CARD.md").decode()


def test_only_real_leaves_the_simulated_films_out_if_there_are_others() -> None:
    def films_of(*sources: str) -> Films:
        targets = np.eye(2, dtype=np.float32)[[0] * len(sources)]
        return Films(np.zeros((len(sources), 1, 1, 3), np.uint8), targets, sources, frozenset({"drawn"}))

    assert films_of("hospital", "drawn", "hospital").only_real().sources == ("hospital", "hospital")
    assert films_of("drawn", "drawn").only_real().sources == ("drawn", "drawn")


def test_the_model_is_kept_without_its_optimizer(resumed: Path) -> None:
    # 2.35 million weights of four bytes are 9.4 MB; the optimizer would add as much again for every trained weight.
    with zipfile.ZipFile(resumed / "model.keras") as archive, archive.open("model.weights.h5") as handle:
        content = handle.read()
    assert b"optimizer" not in content
    assert len(content) < 10_500_000


def test_same_seed_gives_the_same_epoch_and_balance_evens_the_classes(films: Path) -> None:
    loaded = load_films(open_dataset(films), "train")
    few = np.flatnonzero(loaded.targets[:, 0] > 0)[:3]
    rows = np.concatenate([few, np.flatnonzero(loaded.targets[:, 1] > 0)])
    uneven = Films(loaded.pixels[rows], loaded.targets[rows], tuple(loaded.sources[row] for row in rows))
    options = build(preset="paper")
    first, second = (
        TrainingSet(uneven, balance="augment", augmentation=options.augmentation, seed=4) for _ in range(2)
    )
    order = first.order(2)
    assert np.array_equal(order, second.order(2))
    assert np.array_equal(first.batch(2, order[:4], 0), second.batch(2, order[:4], 0))
    assert uneven.targets[order].sum(axis=0).tolist() == [12, 12]


def test_source_weights_even_the_classes_within_a_source() -> None:
    targets = np.eye(2, dtype=np.float32)[[0] * 8 + [1] * 2 + [1] * 30]
    sources = ("both",) * 10 + ("single",) * 30
    films = Films(np.zeros((40, 1, 1, 3), np.uint8), targets, sources)
    weights = TrainingSet(films, balance="source", augmentation=build(preset="single").augmentation, seed=0).weights
    assert weights[:8].sum() == pytest.approx(weights[8:].sum(), rel=1e-5)
    # A film of the small class of a source that has both weighs more than one of a source that has only that class.
    assert weights[8] > 2 * weights[10]


def test_a_stopped_run_goes_on_from_its_averaged_weights(films: Path, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    class Stopping(Checkpoint):
        def write(self, run: str) -> None:
            super().write(run)
            raise Stopped

    (stage,) = build(preset="single", unfreeze=0, epochs=2).stages
    options = build(preset="single", weights="none", unfreeze=0, epochs=2)
    steady = dataclasses.replace(stage, average=0.9, shake=1.0, pairs=0.5)
    options = dataclasses.replace(options, stages=(steady,), batch_size=4)
    loaded = {split: load_films(open_dataset(films), split) for split in ("train", "val")}
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(Stopped):
        fit(build_classifier(weights="none"), loaded["train"], loaded["val"], options, Stopping(path), "run")
    stopped = Checkpoint.read(path, "run")
    # The best epoch is kept as averaged; training itself goes on from where the steps led.
    assert len(stopped.average) > 0
    assert any(not np.array_equal(*pair) for pair in zip(stopped.best, stopped.weights, strict=True))
    history = fit(build_classifier(weights="none"), loaded["train"], loaded["val"], options, stopped, "run")
    assert [record["epoch"] for record in history] == [0, 1]


def test_mixup_lays_up_to_its_share_of_another_film_over_one() -> None:
    pixels = np.stack([np.full((224, 224, 3), level, np.uint8) for level in (0, 200)])
    films = Films(pixels, np.eye(2, dtype=np.float32), ("dark", "bright"))
    training = TrainingSet(films, balance="none", augmentation=Augmentation(mixup=0.4), seed=0)
    means = np.array([training.batch(epoch, np.array([0, 1]), 0).mean(axis=(1, 2, 3)) for epoch in range(40)])
    assert means[:, 0].min() == 0
    assert 60 < means[:, 0].max() <= 80
    assert 120 <= means[:, 1].min() < 140
    assert means[:, 1].max() == 200


def test_ranked_batches_carry_the_source(films: Path) -> None:
    loaded = load_films(open_dataset(films), "train")
    training = TrainingSet(loaded, balance="source", augmentation=Augmentation(), seed=0)
    batches = Batches(training, 0, 8, lambda rows, start: (rows, loaded.targets[rows]), ranked=True)
    rows, targets, weights = batches[0]
    assert targets.shape == (8, 3)
    names = np.unique(loaded.sources)
    assert [names[int(number)] for number in targets[:, 2]] == [loaded.sources[row] for row in rows]
    assert np.array_equal(weights, training.weights[rows])


def test_a_split_without_a_class_is_refused(films: Path) -> None:
    dataset = open_dataset(films)
    one_class = dataset.__class__(
        dataset.name, tuple(i for i in dataset.items if i.label == "covid"), dataset.labels, dataset.positive
    )
    with pytest.raises(DataError, match="split 'val' has no film of class noncovid"):
        load_films(one_class, "val")


@pytest.mark.parametrize("content", [b"", b"no .npz", b"PK\3\4 no .npz either"])
def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint.npz").write_bytes(content)
    with pytest.raises(
        TrainingError, match=r"checkpoint\.npz: damaged checkpoint .* remove it and start again"
    ) as caught:
        Checkpoint.read(tmp_path / "checkpoint.npz", "run")

    assert "\n" not in str(caught.value)
