"""Get predictions from one artifact or all, each in a new process, and choose the reference among them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cxr_edge.benchmarks.measure import worker_client
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.contract import KERAS_NAME, OUTPUT_SIZES, artifact_name
from cxr_edge.errors import BundleError, PreflightError, RuntimeFailure
from cxr_edge.metrics.confusion import Floats
from cxr_edge.models import is_trusted
from cxr_edge.processes.cores import count_cores
from cxr_edge.system.progress import Progress

__all__ = ["REFERENCES", "Answers", "Ask", "choose_reference", "fill_in", "first_with_maps", "predict", "predict_all"]

REFERENCES = (KERAS_NAME, artifact_name("tflite", "float32"), artifact_name("onnx", "float32"))
"""The artifacts to compare with, in order of preference: the first one that runs."""


class Ask(Protocol):
    """Sends a request to a new process: the worker's client on this machine, or a device."""

    def __call__(self, request: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        """Return the answer to a request for `measure.worker`; `name` is the artifact."""
        ...


@dataclass(frozen=True)
class Answers:
    """One artifact's probabilities of the positive class: (n,) to measure, (m,) to fit thresholds on.

    `extras` are the other outputs it has: `heatmap` (n, 49) and `typicality` (n, 1).
    """

    scores: Floats
    fit_scores: Floats
    extras: dict[str, Floats] = field(default_factory=dict)


def predict(
    bundle: Bundle,
    artifact: Artifact,
    films: Path,
    count: int,
    *,
    folder: Path | None = None,
    ask: Ask = worker_client.ask,
) -> Answers:
    """Return the predictions for all images of the .npy file; the first `count` are the measured ones.

    `ask` starts a new process for them, by default on this machine. The process saves heat maps and typicality in
    `folder`, if one is given. Raises RuntimeFailure when the artifact does not load, crashes, or does not give one
    probability for each label and image. Raises PreflightError or BundleError when the file is unsafe or was changed.
    """
    answer = ask(_make_request(bundle, artifact, films, folder), name=artifact.name)
    scores = _pick_scores(answer, bundle, artifact)
    extras = {}
    for output, path in answer.get("arrays", {}).items():
        extras[output] = _load(Path(path), output, len(scores), artifact)[:count]
    return Answers(scores[:count], scores[count:], extras)


def _make_request(bundle: Bundle, artifact: Artifact, films: Path, folder: Path | None) -> dict[str, object]:
    request: dict[str, object] = {
        "task": "predict",
        "bundle": str(bundle.path.resolve()),
        "artifact": artifact.name,
        "trusted": is_trusted(bundle, artifact),
        # Nothing is timed here, and the probabilities do not depend on the threads.
        "threads": count_cores(),
        "films": str(films),
    }
    if folder is not None:
        request["arrays"] = str(folder)
    return request


def _pick_scores(answer: Mapping[str, Any], bundle: Bundle, artifact: Artifact) -> Floats:
    """Return the probabilities of the positive class, (n,). Raises RuntimeFailure unless each label has one."""
    probabilities = np.asarray(answer["probabilities"], dtype=np.float64)
    labels = len(bundle.manifest.labels)
    if probabilities.ndim != 2 or probabilities.shape[1] != labels:
        raise RuntimeFailure(
            f"{artifact.name}: gives {probabilities.shape[1:]} probabilities for {labels} labels; export it again"
        )
    scores: Floats = probabilities[:, bundle.manifest.positive_index]
    return scores


def _load(path: Path, name: str, films: int, artifact: Artifact) -> Floats:
    values: Floats = np.load(path, allow_pickle=False)
    wanted = (films, OUTPUT_SIZES[name])
    if values.shape != wanted:
        raise RuntimeFailure(f"{artifact.name}: gives {name} of shape {values.shape}, not {wanted}; export it again")
    if not np.isfinite(values).all():
        raise RuntimeFailure(
            f"{artifact.name}: gives {name} that is not finite; use another artifact, for example a float32 one"
        )
    return values


def predict_all(
    bundle: Bundle, artifacts: list[Artifact], films: Path, count: int
) -> tuple[dict[str, Answers], dict[str, list[str]]]:
    """Return each artifact's predictions for the images of the .npy file, and why others gave none."""
    answers: dict[str, Answers] = {}
    failures: dict[str, list[str]] = {}
    with Progress("drift", len(artifacts)) as progress:
        for artifact in artifacts:
            try:
                answers[artifact.name] = predict(bundle, artifact, films, count, folder=films.parent)
            except (BundleError, PreflightError, RuntimeFailure) as error:
                failures[artifact.name] = [str(error)]
            progress.advance(note=artifact.name)
    return answers, failures


def choose_reference(answers: Mapping[str, Answers], failures: Mapping[str, list[str]]) -> str:
    """Return the name of the reference. Raises RuntimeFailure if no float artifact runs."""
    for name in REFERENCES:
        if name in answers and np.isfinite(answers[name].scores).all():
            return name
    reasons = [failures[name][0] for name in REFERENCES if name in failures]
    raise RuntimeFailure(f"no reference runs: {'; '.join(reasons) or 'its scores are not finite; export it again'}")


def first_with_maps(answers: dict[str, Answers]) -> tuple[str, Answers] | None:
    """Return the float artifact that heat maps are compared with, None if none has maps."""
    return next(((name, answers[name]) for name in REFERENCES if name in answers and answers[name].extras), None)


def fill_in(found: Answers) -> Answers:
    """Return the answers; if there are none to fit thresholds on, the measured ones are used for that."""
    return found if len(found.fit_scores) else dataclasses.replace(found, fit_scores=found.scores)
