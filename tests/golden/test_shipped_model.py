"""The classifier that ships: what its int8 artifact keeps of the float model, on films that it was not fitted on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.data.dataset import open_dataset
from cxr_edge.inference import classify
from cxr_edge.metrics import roc
from cxr_edge.models import open_model
from cxr_edge.runtimes.keras import load_model
from tests.support.gradcam import grad_cam

OUT_OF_SCOPE = ("ct_slice.jpg", "puppy.jpg", "d_blank.png")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.read(default_bundle_path())


@pytest.fixture(scope="module")
def classifier(bundle: Bundle) -> keras.Model:
    return load_model(bundle.artifact_bytes(bundle.artifact("model.keras")), name="model.keras")


def run_int8(bundle: Bundle, pixels: np.ndarray) -> dict[str, Any]:
    runtime = open_model(bundle, bundle.artifact("model_int8.tflite"), threads=2)
    outputs = runtime.run(pixels)
    runtime.close()
    return dict(outputs)


def correlate_ranks(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)


def correlate_maps(bundle: Bundle, classifier: keras.Model, pixels: np.ndarray) -> float:
    """Return the mean rank correlation of the int8 artifact's heat maps with Grad-CAM of the float model."""
    outputs = run_int8(bundle, pixels)
    given = outputs["heatmap"]
    # In parts, for the activations of many films at once fill the memory.
    parts = [pixels[at : at + 25] for at in range(0, len(pixels), 25)]
    wanted = np.concatenate([grad_cam(classifier, part) for part in parts])
    reference = np.concatenate([np.asarray(classifier(part, training=False)) for part in parts])
    # A map is of the likelier class, so only films of which both say the same class have maps of the same thing; and
    # where nothing speaks for a class the map is empty, and has no ranks.
    same = outputs["probabilities"].argmax(axis=1) == reference.argmax(axis=1)
    told = same & (np.ptp(wanted, axis=1) > 0) & (np.ptp(given, axis=1) > 0)
    assert told.mean() > 0.9
    return float(np.mean([correlate_ranks(*pair) for pair in zip(wanted[told], given[told], strict=True)]))


def test_int8_heat_maps_rank_the_cells_as_grad_cam_does(bundle: Bundle, classifier: keras.Model) -> None:
    # Its integers were fitted on real films, whose maps have a test of their own.
    films = open_dataset("phantom").select(split="test").items[:32]
    assert correlate_maps(bundle, classifier, np.stack([film.pixels() for film in films])) >= 0.94


def test_int8_heat_maps_of_real_films_rank_the_cells_as_grad_cam_does(
    real_data: Path, bundle: Bundle, classifier: keras.Model
) -> None:
    items = open_dataset(real_data / "cxr").select(split="test").items
    assert correlate_maps(bundle, classifier, np.stack([item.pixels() for item in items])) >= 0.95


def test_int8_keeps_the_calls_of_the_real_films(real_data: Path, bundle: Bundle, classifier: keras.Model) -> None:
    dataset = open_dataset(real_data / "cxr")
    items = [*dataset.select(split="val").items, *dataset.select(split="test").items]
    pixels = np.stack([item.pixels() for item in items])
    positive = np.array([item.label == bundle.manifest.positive for item in items])
    at = bundle.manifest.positive_index
    reference = np.concatenate([np.asarray(classifier(pixels[i : i + 25], training=False)) for i in range(0, 300, 25)])
    scores, wanted = run_int8(bundle, pixels)["probabilities"][:, at], reference[:, at]
    threshold = bundle.manifest.threshold
    assert np.sum((scores >= threshold) != (wanted >= threshold)) <= 3
    assert abs(roc.auc(scores, positive) - roc.auc(wanted, positive)) <= 0.003


@pytest.mark.parametrize("file", OUT_OF_SCOPE)
def test_what_is_no_film_is_called_untypical(real_data: Path, bundle: Bundle, file: str) -> None:
    films = [real_data / "odd" / file]
    (prediction,) = classify.classify(bundle, bundle.artifact("model_int8.tflite"), films)
    assert prediction.untypical is True


def test_few_real_films_are_called_untypical(real_data: Path, bundle: Bundle) -> None:
    items = open_dataset(real_data / "cxr").select(split="val").items
    pixels = np.stack([item.pixels() for item in items])
    limit = bundle.manifest.typicality_limit
    assert limit is not None
    assert (run_int8(bundle, pixels)["typicality"] > limit).mean() <= 0.02
