"""What an artifact answers on the films, and how far that is from the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge import metrics
from cxr_edge.benchmarks import child, machine
from cxr_edge.benchmarks.result import Change, DriftReport, SourceAuc
from cxr_edge.bundle import Artifact, Bundle
from cxr_edge.errors import RuntimeFailure
from cxr_edge.metrics import Interval

__all__ = ["REFERENCES", "Truth", "compare", "predict"]

REFERENCES = ("model.keras", "model_float32.tflite", "model_float32.onnx")
"""What an artifact is compared with: the first of these that runs."""

Floats = npt.NDArray[np.floating[Any]]
Ask = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Truth:
    """What is known of the films: (n,) bool whether each is positive, its source, and the threshold to call at."""

    positive: npt.NDArray[np.bool_]
    sources: Sequence[str]
    threshold: float


def predict(bundle: Bundle, artifact: Artifact, films: Path, *, ask: Ask = child.ask) -> Floats:
    """Return the positive class's probability (n,) of all films in the .npy file, from a fresh process.

    `ask` starts that process, by default on this machine. Raises RuntimeFailure when the artifact does not load,
    crashes, or gives other than n probabilities a label.
    """
    request = {
        "task": "predict",
        "bundle": str(bundle.path.resolve()),
        "artifact": artifact.name,
        # Nothing is timed here, and the probabilities do not depend on the threads.
        "threads": machine.usable_cores(),
        "films": str(films),
    }
    answer = ask(request, name=artifact.name)
    probabilities = np.asarray(answer["probabilities"], dtype=np.float64)
    labels = len(bundle.manifest.labels)
    if probabilities.ndim != 2 or probabilities.shape[1] != labels:
        raise RuntimeFailure(
            f"{artifact.name}: gives {probabilities.shape[1:]} probabilities for {labels} labels; export it again"
        )
    scores: Floats = probabilities[:, bundle.manifest.positive_index]
    return scores


def compare(scores: Floats, truth: Truth, reference: Floats | None) -> DriftReport:
    """Return the figures of `scores`, and their change from those of `reference` on the same films, if there is one.

    Raises DataError under 2 films of a class or for scores that are not finite.
    """
    figures = metrics.summarise(scores, truth.positive, truth.sources, truth.threshold)
    return DriftReport(
        auc=_interval(figures),
        accuracy=figures["accuracy"],
        sensitivity=figures["sensitivity"],
        specificity=figures["specificity"],
        within_source={source: _read_source(part) for source, part in figures["within_source"].items()},
        change=None if reference is None else _change(scores, truth, reference),
        scores=tuple(scores.tolist()),
    )


def _change(scores: Floats, truth: Truth, reference: Floats) -> Change:
    distance = np.abs(scores - reference)
    return Change(
        auc=metrics.auc_change(reference, scores, truth.positive),
        flips=int(np.sum((scores >= truth.threshold) != (reference >= truth.threshold))),
        largest=float(distance.max()),
        mean=float(distance.mean()),
    )


def _interval(figures: Mapping[str, Any]) -> Interval:
    low, high = figures["auc_95"]
    return Interval(figures["auc"], low, high)


def _read_source(figures: Mapping[str, Any]) -> SourceAuc:
    return SourceAuc(_interval(figures), figures["positive_films"], figures["negative_films"])
