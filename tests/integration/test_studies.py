"""The studies and the audit for real, on a few simulated films, and the audit's known figures on the real ones."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from cxr_edge.audit import probe, shortcut_features
from cxr_edge.audit.probe import Labels
from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.data.dataset import open_dataset
from cxr_edge.errors import DataError, UsageError
from cxr_edge.phantom.sets import write_folder
from cxr_edge.runtimes.keras import load_model
from cxr_edge.studies import backbones, balance, gradcam, unfreeze
from cxr_edge.studies.cached_heads import HeadSpec, Place, all_features, train_head
from cxr_edge.studies.jobs import Engine
from cxr_edge.studies.report.balance_result import BalanceStudy
from cxr_edge.training.network import layers
from cxr_edge.training.network.heads import HeadOptions, fit_head, put_head
from cxr_edge.training.network.model import backbone_of, build_classifier


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    write_folder(folder, {"train": 40, "val": 24, "test": 24})
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for features that several tests share."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shipped classifier's backbone as the only weights file."""
    folder = tmp_path_factory.mktemp("weights")
    shipped = Bundle.read(default_bundle_path())
    classifier = load_model(shipped.artifact_bytes(shipped.artifact("model.keras")), name="model.keras")
    backbone_of(classifier).save_weights(folder / "mobilenet_v2_shipped.weights.h5")
    return folder


def file_in(weights: Path) -> str:
    return str(next(weights.glob("*.h5")))


@pytest.fixture(scope="module")
def balanced(films: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> BalanceStudy:
    options = balance.BalanceOptions(
        str(films), str(weights), ways=("none", "augment"), seeds=(0,), epochs=20, films=30
    )
    return balance.run(options, tmp_path_factory.mktemp("balance"))


def test_heads_on_features_of_a_trained_backbone_tell_the_classes_apart(balanced: BalanceStudy) -> None:
    assert [row.way for row in balanced.rows] == ["none", "augment"]
    assert all(row.mean_figures.auc.value > 0.75 for row in balanced.rows)


def test_a_result_names_no_place_on_the_machine(balanced: BalanceStudy, films: Path) -> None:
    assert str(films.parent) not in json.dumps(balanced.to_json())


def test_ray_runs_the_trainings_and_they_are_kept(films: Path, weights: Path, tmp_path: Path) -> None:
    options = balance.BalanceOptions(str(films), str(weights), ways=("none",), seeds=(0,), epochs=2)
    here = balance.run(options, tmp_path / "here")
    there = balance.run(options, tmp_path / "there", engine=Engine("ray", 1))
    assert there.rows == here.rows
    assert len(list((tmp_path / "there" / "trainings").glob("*.json"))) == 1


def test_studies_refuse_a_set_too_small_for_their_figures_before_they_start(weights: Path, tmp_path: Path) -> None:
    few = str(write_folder(tmp_path / "few", {"train": 8, "val": 4, "test": 2}).parent)

    for start in (
        lambda out: balance.run(balance.BalanceOptions(few, str(weights)), out),
        lambda out: backbones.run(backbones.BackboneOptions(few, str(weights)), out),
        lambda out: unfreeze.run(unfreeze.UnfreezeOptions(few, str(weights)), out),
    ):
        with pytest.raises(DataError, match="split 'test' has 1 image of class 'covid'"):
            start(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_features_are_computed_once(films: Path, weights: Path, cache: Path) -> None:
    dataset = open_dataset(films)
    first = all_features(dataset, "mobilenetv2", file_in(weights), cache)
    (kept,) = cache.glob("*.npz")
    before = kept.stat().st_mtime_ns
    assert np.array_equal(all_features(dataset, "mobilenetv2", file_in(weights), cache), first)
    assert kept.stat().st_mtime_ns == before


def test_a_head_put_onto_its_backbone_answers_as_it_did_on_features(films: Path, weights: Path, tmp_path: Path) -> None:
    dataset = open_dataset(films).select(split="val")
    features = all_features(dataset, "mobilenetv2", file_in(weights), tmp_path)
    targets = np.eye(2, dtype=np.float32)[dataset.targets()]
    sources = tuple(item.source for item in dataset.items)
    fitted = fit_head({"train": features, "val": features}, {"train": targets, "val": targets}, sources, HeadOptions())
    classifier = build_classifier(weights=file_in(weights))
    put_head(classifier, fitted.head)
    answers = np.asarray(classifier(dataset.pixels(), training=False))[:, 0]
    assert np.abs(answers - fitted.score(features, 0)).max() < 1e-4


def test_the_same_seed_gives_the_same_head(films: Path, weights: Path, cache: Path) -> None:
    place: dict[str, Any] = {"data": str(films), "weights": file_in(weights), "cache": str(cache)}
    spec: dict[str, Any] = {
        "backbone": "mobilenetv2",
        "balance": "focal",
        "epochs": 2,
        "films": None,
        "positive": "covid",
    }
    first, again, other = (train_head(**spec, **place, seed=seed, name=f"head {seed}") for seed in (1, 1, 2))
    assert first["scores"] == again["scores"]
    assert first["scores"] != other["scores"]


def test_a_head_spec_and_its_place_are_all_that_a_training_takes() -> None:
    taken = set(HeadSpec.__dataclass_fields__) | set(Place.__dataclass_fields__) | {"name"}
    assert taken == set(train_head.__annotations__) - {"return"}


def test_backbones_are_exported_and_timed_and_one_without_weights_says_so(
    films: Path, weights: Path, tmp_path: Path
) -> None:
    options = backbones.BackboneOptions(
        str(films), str(weights), backbones=("mobilenetv2", "inceptionv3"), seeds=(0,), epochs=20
    )
    result = backbones.run(options, tmp_path / "study")
    _, second = result.rows
    assert second.to_json()["compared"] is False
    assert second.weights.startswith("no file of inceptionv3")
    assert second.parameters > 21_000_000
    assert result.pairs == ()
    artifacts = result.to_json()["rows"][0]["exported"]["artifacts"]
    assert set(artifacts) == {"model.keras", "model_float32.tflite", "model_int8.tflite"}
    assert artifacts["model_int8.tflite"]["p50_ms"][0] > 0
    assert artifacts["model_float32.tflite"]["flips"] == 0
    left = {path.name for path in (tmp_path / "study").iterdir()}
    assert {"study.json", "study.md", "roc.svg", "cost.png", "layers.svg", "summary.txt"} <= left
    assert "not compared: no weights" in (tmp_path / "study" / "study.md").read_text()


def test_an_unknown_backbone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--backbone vgg: choose from mobilenetv2"):
        backbones.run(backbones.BackboneOptions("phantom", backbones=("vgg",)), tmp_path)


def command(films: Path, out: Path, *more: str) -> list[str]:
    options = ["--weights", "none", "--seeds", "1", "--epochs", "5", "--fraction", "0.1", "--films", "16", *more]
    return [sys.executable, "-m", "cxr_edge.cli.main", "study", "unfreeze", str(films), "--out", str(out), *options]


def test_a_killed_study_goes_on_within_the_training(films: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    checkpoint = out / "checkpoints" / "0.1-0" / "checkpoint.npz"
    started = subprocess.Popen(command(films, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not checkpoint.exists() and time.monotonic() < deadline and started.poll() is None:
        time.sleep(0.02)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert checkpoint.exists(), "the training ended before its first checkpoint"
    finished = subprocess.run(command(films, out, "--resume"), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    history = json.loads((out / "study.json").read_text())["rows"][0]["histories"][0]
    assert [record["epoch"] for record in history] == [0, 1, 2, 3, 4]
    assert "epoch 1/5" not in finished.stderr
    assert not checkpoint.parent.exists()


@pytest.mark.parametrize("fraction", [-0.1, 1.5])
def test_a_fraction_outside_its_range_is_refused(fraction: float, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must lie between 0"):
        unfreeze.run(unfreeze.UnfreezeOptions("phantom", fractions=(fraction,)), tmp_path)


def test_the_papers_sizes_are_those_of_the_classifier() -> None:
    classifier = build_classifier(weights="none")
    size = layers.measure(classifier)
    assert (size.parameters, size.backbone_layers) == (2_351_490, 154)
    assert sum(block.parameters for block in layers.list_blocks(classifier)) == 2_351_490
    summary = layers.summarise(classifier)
    assert all(found in summary for found in ("dense_5", "81,984", "Total params: 2,351,490", "block_16_project"))
    keras.utils.clear_session()


def test_gradcam_draws_float_beside_int8(tiny_bundle: Bundle, films: Path, tmp_path: Path) -> None:
    shown = gradcam.draw_gradcam(tiny_bundle, open_dataset(films), tmp_path / "maps.png", each=1)
    assert (tmp_path / "maps.png").stat().st_size > 10_000
    outcomes = [film.outcome for film in shown.films]
    assert {"covid called covid", "noncovid called noncovid"} <= set(outcomes)


KNOWN = {
    "thumbnail 24x24": (0.84, 0.51),
    "thumbnail 8x8": (0.83, 0.47),
    "radial spectrum": (0.81, 0.71),
    "border and histogram": (0.76, 0.54),
    "aspect ratio": (0.65, 0.41),
}


def test_the_known_figures_of_the_real_films_come_out_again(real_data: Path) -> None:
    dataset = open_dataset(real_data / "cxr")
    labels = Labels.of(dataset)
    measured = shortcut_features.measure(*shortcut_features.read_planes(dataset))
    for name, (pooled, within) in KNOWN.items():
        found, _ = probe.assess(name, measured[name], labels)
        assert found.pooled.value == pytest.approx(pooled, abs=0.05), name
        assert list(found.within) == ["ieee8023"]
        assert found.within["ieee8023"].value == pytest.approx(within, abs=0.05), name
