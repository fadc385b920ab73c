"""What an artifact answers, and how far that is from what the reference answers on the same films."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge.benchmarks.drift import localisation, verdict
from cxr_edge.benchmarks.measure import worker_client
from cxr_edge.benchmarks.result.bench_result import BenchOptions
from cxr_edge.benchmarks.result.drift_result import (
    Change,
    DriftReport,
    Flips,
    Localisation,
    SourceReport,
    Transfer,
    Typicality,
)
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.contract import KERAS_NAME, OUTPUT_SIZES, artifact_name
from cxr_edge.errors import RuntimeFailure
from cxr_edge.metrics import confusion, operating_point, paired, roc
from cxr_edge.metrics.confusion import Bools, Floats, is_positive
from cxr_edge.metrics.intervals import Interval
from cxr_edge.models import is_trusted
from cxr_edge.processes.cores import count_cores

__all__ = ["REFERENCES", "Answers", "Truth", "compare", "count_flips", "first_with_maps", "predict"]

REFERENCES = (KERAS_NAME, artifact_name("tflite", "float32"), artifact_name("onnx", "float32"))
"""What an artifact is compared with: the first of these that runs."""


Ask = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Truth:
    """What is known of the films.

    (n,) bool whether each is positive, its source, the threshold to call at; `covers` are the parts of the cells of
    the heat map that its lesion covers, or None. `fit_positive` (m,) are the films that thresholds are fitted on, those
    of the split `fit_split`. A film is untypical above `typicality_limit`.
    """

    positive: npt.NDArray[np.bool_]
    sources: Sequence[str]
    threshold: float
    fit_positive: npt.NDArray[np.bool_]
    fit_split: str
    covers: Sequence[Floats | None] = ()
    typicality_limit: float | None = None


@dataclass(frozen=True)
class Answers:
    """What one artifact answers: (n,) probabilities of the positive class, those of the (m,) films to fit on.

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
    """Return the answers for all films of the .npy file, of which the first `count` are measured on.

    They come from a fresh process, which `ask` starts, by default on this machine, and which leaves heat maps and
    typicality in `folder`, if there is one. Raises RuntimeFailure when the artifact does not load, crashes, or gives
    other than one probability a label and film; PreflightError, BundleError when one of others is unsound or changed.
    """
    request: dict[str, Any] = {
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
    answer = ask(request, name=artifact.name)
    probabilities = np.asarray(answer["probabilities"], dtype=np.float64)
    labels = len(bundle.manifest.labels)
    if probabilities.ndim != 2 or probabilities.shape[1] != labels:
        raise RuntimeFailure(
            f"{artifact.name}: gives {probabilities.shape[1:]} probabilities for {labels} labels; export it again"
        )
    scores: Floats = probabilities[:, bundle.manifest.positive_index]
    extras = {name: _load(Path(path), name, len(scores), artifact) for name, path in answer.get("arrays", {}).items()}
    return Answers(scores[:count], scores[count:], {name: values[:count] for name, values in extras.items()})


def compare(
    answers: Answers, truth: Truth, options: BenchOptions, reference: Answers | None, maps: tuple[str, Answers] | None
) -> DriftReport:
    """Return the figures of `answers`, and their change from those of `reference` on the same films, if there is one.

    `maps` names the artifact that heat maps and typicality are compared with. Raises DataError under 2 films of a
    class or for scores that are not finite.
    """
    scores, positive = answers.scores, truth.positive
    auc = roc.auc_interval(scores, positive)
    counts = confusion.confuse(scores, positive, truth.threshold)
    at = paired.fixed_specificity(options.specificity)
    distinct, tied = paired.count_ties(scores, positive)
    return DriftReport(
        auc=auc,
        accuracy=counts.accuracy,
        sensitivity=counts.sensitivity,
        specificity=counts.specificity,
        sensitivity_at=paired.interval(at, scores, positive, seed=options.seed),
        calibration_error=float(paired.calibration_error(scores[None], positive)[0]),
        brier=paired.brier(scores, positive),
        distinct_scores=distinct,
        tied_pairs=tied,
        transfer=_transfer(answers, truth),
        sources={source: _describe_source(answers, truth, source, reference) for source in sorted(set(truth.sources))},
        localisation=_localise(answers, truth, maps),
        typicality=_judge_typicality(answers, truth, maps),
        change=None if reference is None else _change(scores, truth, options, reference.scores),
        scores=tuple(scores.tolist()),
    )


def _load(path: Path, name: str, films: int, artifact: Artifact) -> Floats:
    values: Floats = np.load(path, allow_pickle=False)
    wanted = (films, OUTPUT_SIZES[name])
    if values.shape != wanted:
        raise RuntimeFailure(f"{artifact.name}: gives {name} of shape {values.shape}, not {wanted}; export it again")
    if not np.isfinite(values).all():
        raise RuntimeFailure(
            f"{artifact.name}: gives {name} that is not finite; use another artifact, a float32 one say"
        )
    return values


def _change(scores: Floats, truth: Truth, options: BenchOptions, reference: Floats) -> Change:
    distance, positive = np.abs(scores - reference), truth.positive
    before, after = (confusion.confuse(values, positive, truth.threshold) for values in (reference, scores))
    at, seed = paired.fixed_specificity(options.specificity), options.seed
    return Change(
        auc=roc.auc_change(reference, scores, positive),
        sensitivity=after.sensitivity - before.sensitivity,
        specificity=after.specificity - before.specificity,
        flips=count_flips(scores, reference, positive, truth.threshold),
        largest=float(distance.max()),
        mean=float(distance.mean()),
        sensitivity_at=paired.change_interval(at, reference, scores, positive, seed=seed),
        calibration_error=paired.change_interval(paired.calibration_error, reference, scores, positive, seed=seed),
        brier=paired.brier_change(reference, scores, positive),
        verdict=verdict.judge(reference, scores, positive, options.margin),
    )


def count_flips(scores: Floats, reference: Floats, positive: Bools, threshold: float) -> Flips:
    """Return the films that are called otherwise at `threshold`, and what McNemar's exact test says of them."""
    called, before = is_positive(scores, threshold), is_positive(reference, threshold)
    to_positive, to_negative = int(np.sum(called & ~before)), int(np.sum(before & ~called))
    corrected = int(np.sum((called != before) & (called == positive)))
    spoiled = to_positive + to_negative - corrected
    return Flips(
        count=to_positive + to_negative,
        to_positive=to_positive,
        to_negative=to_negative,
        p_calls=paired.mcnemar(to_negative, to_positive),
        corrected=corrected,
        spoiled=spoiled,
        p_correct=paired.mcnemar(spoiled, corrected),
    )


def _transfer(answers: Answers, truth: Truth) -> Transfer:
    threshold = operating_point.youden_threshold(answers.fit_scores, truth.fit_positive)
    counts = confusion.confuse(answers.scores, truth.positive, threshold)
    return Transfer(truth.fit_split, threshold, counts.sensitivity, counts.specificity)


def _describe_source(answers: Answers, truth: Truth, source: str, reference: Answers | None) -> SourceReport:
    rows = np.array(truth.sources) == source
    scores, positive = answers.scores[rows], truth.positive[rows]
    before = None if reference is None else reference.scores[rows]
    many, few = int(positive.sum()), int((~positive).sum())
    both = min(many, few) >= 2
    called = is_positive(scores, truth.threshold)
    auc: Interval | None = roc.auc_interval(scores, positive) if both else None
    return SourceReport(
        positive_films=many,
        negative_films=few,
        auc=auc,
        change=roc.auc_change(before, scores, positive) if both and before is not None else None,
        flips=None if before is None else int(np.sum(called != is_positive(before, truth.threshold))),
        sensitivity=float(called[positive].mean()) if many else None,
        specificity=float((~called[~positive]).mean()) if few else None,
    )


def _pick(answers: Answers, maps: tuple[str, Answers] | None, output: str) -> tuple[str, Floats, Floats | None] | None:
    """Return the reference's name, this artifact's output and the reference's, None where they are one and the same."""
    if maps is None or output not in answers.extras or output not in maps[1].extras:
        return None
    name, other = maps
    return name, answers.extras[output], None if other is answers else other.extras[output]


def _localise(answers: Answers, truth: Truth, maps: tuple[str, Answers] | None) -> Localisation | None:
    found = _pick(answers, maps, "heatmap")
    if found is None or not truth.covers:
        return None
    name, own, other = found
    return localisation.localise(own, truth.covers, truth.positive, name, other)


def _judge_typicality(answers: Answers, truth: Truth, maps: tuple[str, Answers] | None) -> Typicality | None:
    found, limit = _pick(answers, maps, "typicality"), truth.typicality_limit
    if found is None or limit is None:
        return None
    name, own, other = found
    flips = None if other is None else int(np.sum((own > limit) != (other > limit)))
    return Typicality(int(np.sum(own > limit)), name, flips)


def first_with_maps(answers: dict[str, Answers]) -> tuple[str, Answers] | None:
    """Return the float artifact that heat maps are compared with, None where none has a map."""
    return next(((name, answers[name]) for name in REFERENCES if name in answers and answers[name].extras), None)
