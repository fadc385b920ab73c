"""The paper's classifier, its freezing and its cutting in two."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from cxr_edge.errors import TrainingError, UsageError
from cxr_edge.training.network.frozen_backbone import Front
from cxr_edge.training.network.model import BACKBONES, POOLING, backbone_of, build_classifier, freeze, split
from cxr_edge.training.outcome import figures
from cxr_edge.training.training_set import Films


def count(weights: list[keras.Variable]) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)


@pytest.fixture(scope="module")
def classifier() -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_classifier(weights="none")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)


def test_classifier_has_the_papers_parameters(classifier: keras.Model) -> None:
    assert classifier.count_params() == 2_351_490
    assert len(backbone_of(classifier).layers) == 154


def test_answers_are_those_of_the_classifier(classifier: keras.Model) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    films = Films(pixels, np.eye(2, dtype=np.float32)[[0, 1, 0]], ("a", "a", "b"))
    found = figures.answer(classifier, {"val": films}, 1)["val"]
    both = keras.Model(classifier.inputs[0], [classifier.outputs[0], classifier.get_layer(POOLING).output])
    probabilities, pooled = both(pixels, training=False)

    assert found.scores == pytest.approx(np.asarray(probabilities)[:, 1], abs=1e-4)
    assert np.allclose(found.features, np.asarray(pooled), atol=1e-3)
    assert found.positive.tolist() == [False, True, False]


def test_a_third_unfrozen_leaves_the_papers_counts(classifier: keras.Model) -> None:
    assert freeze(classifier, 0.34) == 102
    assert count(classifier.trainable_weights) == 1_949_762
    assert count(classifier.non_trainable_weights) == 401_728


@pytest.mark.parametrize(("unfreeze", "frozen"), [(0.0, 154), (1.0, 0)])
def test_freeze_reaches_from_nothing_to_everything(classifier: keras.Model, unfreeze: float, frozen: int) -> None:
    assert freeze(classifier, unfreeze) == frozen


def test_settled_freezes_batch_normalisation_and_trains_every_kernel(classifier: keras.Model) -> None:
    freeze(classifier, 1.0, settled=True)
    names = {weight.path.rsplit("/", 1)[-1] for weight in backbone_of(classifier).trainable_weights}
    kernels = [weight for weight in backbone_of(classifier).weights if weight.name == "kernel"]
    assert names == {"kernel"}
    assert count(backbone_of(classifier).trainable_weights) == count(kernels)


def test_classifier_takes_the_contracts_pixels_and_gives_probabilities(
    classifier: keras.Model, pixels: np.ndarray
) -> None:
    assert (classifier.inputs[0].dtype, classifier.inputs[0].name) == ("uint8", "image")
    probabilities = np.asarray(classifier(pixels, training=False))
    assert probabilities.shape == (2, 2)
    assert probabilities.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize("frozen", [0, 5, 40, 102, 154])
def test_the_two_parts_of_a_cut_are_the_classifier(classifier: keras.Model, pixels: np.ndarray, frozen: int) -> None:
    parts = split(classifier, frozen)
    whole = np.asarray(classifier(pixels, training=False))
    cut = np.asarray(parts.tail(parts.front(pixels, training=False), training=False))
    assert np.abs(whole - cut).max() < 1e-6


@pytest.mark.parametrize("frozen", [102, 154])
def test_the_frozen_part_gives_the_same_activations_under_litert(
    classifier: keras.Model, pixels: np.ndarray, frozen: int
) -> None:
    front = split(classifier, frozen).front
    wanted = np.asarray(front(pixels, training=False))
    assert np.abs(Front(front).run(pixels) - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_training_the_tail_trains_the_classifier(classifier: keras.Model) -> None:
    freeze(classifier, 0.0)
    tail = split(classifier, 154).tail
    before = np.asarray(classifier.get_layer("dense_1").kernel)
    tail.get_layer("dense_1").kernel.assign(before + 1)
    assert np.array_equal(np.asarray(classifier.get_layer("dense_1").kernel), before + 1)


@pytest.mark.parametrize("backbone", ["inceptionv3", "resnet50v2", "xception"])
def test_other_backbones_build_and_cut(backbone: str, pixels: np.ndarray) -> None:
    classifier = build_classifier(backbone, weights="none")
    parts = split(classifier, int(len(backbone_of(classifier).layers) * 0.8))
    whole = np.asarray(classifier(pixels, training=False))
    assert np.abs(whole - np.asarray(parts.tail(parts.front(pixels, training=False)))).max() < 1e-5


def test_an_unknown_backbone_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match=", ".join(BACKBONES)):
        build_classifier("vgg", weights="none")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.h5: no such file"):
        build_classifier(weights=str(tmp_path / "nowhere.h5"))


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.weights.h5"
    path.write_text("not weights")
    with pytest.raises(TrainingError, match="does not fit mobilenetv2"):
        build_classifier(weights=str(path))


@pytest.fixture(scope="module")
def half_dead(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, Path]:
    """A backbone whose first channel is dead as in the ImageNet weights, and the file of its weights."""
    keras.utils.set_random_seed(1)
    backbone = BACKBONES["mobilenetv2"](weights=None, include_top=False, input_shape=(224, 224, 3))
    kernel = np.asarray(backbone.get_layer("Conv1").kernel).copy()
    kernel[..., 0] = 0
    backbone.get_layer("Conv1").kernel.assign(kernel)
    for name in ("bn_Conv1", "expanded_conv_depthwise_BN"):
        layer = backbone.get_layer(name)
        layer.beta.assign(np.where(np.arange(32) == 0, -1, np.asarray(layer.beta)).astype(np.float32))
        layer.moving_variance.assign(
            np.where(np.arange(32) == 0, 0, np.asarray(layer.moving_variance)).astype(np.float32)
        )
    path = tmp_path_factory.mktemp("weights") / "dead.weights.h5"
    backbone.save_weights(path)
    return backbone, path


def test_a_dead_channels_kernel_is_zeroed_and_no_other(half_dead: tuple[keras.Model, Path]) -> None:
    backbone, path = half_dead
    before = np.asarray(backbone.get_layer("expanded_conv_depthwise").kernel).copy()
    loaded = backbone_of(build_classifier(weights=str(path)))
    after = np.asarray(loaded.get_layer("expanded_conv_depthwise").kernel).copy()
    assert np.abs(before[:, :, 0]).max() > 0
    assert not after[:, :, 0].any()
    assert np.array_equal(before[:, :, 1:], after[:, :, 1:])


def test_zeroing_dead_channels_leaves_the_answers(half_dead: tuple[keras.Model, Path], pixels: np.ndarray) -> None:
    backbone, path = half_dead
    signed = pixels.astype(np.float32) / 127.5 - 1
    loaded = backbone_of(build_classifier(weights=str(path)))
    assert np.array_equal(np.asarray(backbone(signed, training=False)), np.asarray(loaded(signed, training=False)))
