"""Whether models agree on a film, and the float twin that a quantised artifact is held against."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact, Manifest
from cxr_edge.contract import InputContract
from cxr_edge.inference.classify import Prediction
from cxr_edge.web.models.catalog import FOUND, Model, name_apart
from cxr_edge.web.results import Answer, compare, tidy_name


def answer(
    name: str,
    label: str | None,
    probability: float = 0.5,
    *,
    bundle: str = "mine",
    labels: tuple[str, ...] = ("covid", "noncovid"),
) -> Answer:
    stem, form = name.rsplit(".", 1)
    artifact = Artifact(name, form, stem.removeprefix("model_"), "0" * 64, 1, ("probabilities",))
    manifest = Manifest("mine", "none", labels, labels[0], 0.5, InputContract(), {name: artifact})
    model = Model(f"{bundle}/{name}", f"{bundle} {name}", Bundle(Path(bundle), manifest), artifact, FOUND, trusted=True)
    error = None if label else "it failed"
    return Answer(model, Prediction(Path("film"), labels[0], 0.5, label, probability, error=error))


@pytest.mark.parametrize(
    ("labels", "kind", "text"),
    [
        (["covid"], "single", "one model: covid"),
        (["covid", "covid"], "agree", "both models say covid"),
        (["covid", "covid", "covid"], "agree", "all 3 models say covid"),
        (["covid", "noncovid", "covid"], "differ", "models disagree: 2 covid, 1 noncovid"),
        ([None, "covid"], "single", "one model: covid"),
        ([None], "none", "no model gave an answer"),
    ],
)
def test_agreement_is_of_the_models_that_answered(labels: list[str | None], kind: str, text: str) -> None:
    agreement = compare([answer(f"model_r{number}.tflite", label) for number, label in enumerate(labels)])
    assert (agreement.kind, agreement.text) == (kind, text)


def test_a_model_of_other_classes_is_not_held_against_the_rest() -> None:
    other = answer("model_int8.tflite", "flu", labels=("flu", "none"), bundle="other")
    agreement = compare([answer("model_int8.tflite", "covid"), answer("model_int8.onnx", "covid"), other])
    assert agreement.text == "both models say covid; 1 with other classes"


def test_a_quantised_artifact_is_held_against_float32_of_its_own_format_first() -> None:
    answers = [
        answer("model_int8.onnx", "noncovid", 0.4),
        answer("model_float16.onnx", "covid", 0.7),
        answer("model_float32.tflite", "covid", 0.6),
        answer("model_float32.onnx", "covid", 0.8),
    ]
    (clash,) = compare(answers).clashes
    assert (clash.reference, clash.labels) == ("mine model_float32.onnx", ("noncovid", "covid"))
    assert clash.change == pytest.approx(-0.4)


def test_the_float_artifact_of_another_bundle_is_no_twin() -> None:
    answers = [answer("model_int8.tflite", "covid"), answer("model_float32.tflite", "noncovid", bundle="other")]
    assert compare(answers).clashes == ()


@pytest.mark.parametrize(
    ("name", "tidy"),
    [
        ("scan.png", "scan.png"),
        ("/srv/ward/scan.png", "scan.png"),
        ("C:\\films\\scan.png", "scan.png"),
        ("a\nb\x1b[31m.png", "a\\nb\\x1b[31m.png"),
        ("..", ".."),
        ("", "film"),
        ("x" * 500, "x" * 120),
    ],
)
def test_a_films_name_becomes_one_line_without_a_path(name: str, tidy: str) -> None:
    assert tidy_name(name) == tidy


def test_two_bundles_of_one_name_get_keys_of_their_own() -> None:
    assert name_apart("my model", ["my-model", "my-model-2"]) == "my-model-3"
