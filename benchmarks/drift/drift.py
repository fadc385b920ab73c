"""How good an artifact's predictions are, and how they differ from the reference's on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxr_edge.benchmarks.drift import localisation, predictions, verdict
from cxr_edge.benchmarks.drift.predictions import Answers
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
from cxr_edge.errors import DataError
from cxr_edge.metrics import confusion, operating_point, paired, roc
from cxr_edge.metrics.confusion import Bools, Floats, is_positive
from cxr_edge.metrics.intervals import Interval

__all__ = ["Truth", "compare", "compare_all", "count_flips"]


@dataclass(frozen=True)
class Truth:
    """What is known about the images.

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


def compare(
    answers: Answers, truth: Truth, options: BenchOptions, reference: Answers | None, maps: tuple[str, Answers] | None
) -> DriftReport:
    """Return the figures of `answers` and, with a `reference`, their change from it on the same images.

    `maps` names the artifact that heat maps and typicality are compared with. Raises DataError under 2 images of a
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


def compare_all(
    answers: dict[str, Answers], truth: Truth, options: BenchOptions, reference: str, failures: dict[str, list[str]]
) -> dict[str, DriftReport]:
    """Return each artifact's drift from the reference; `failures` gets the reason if there is none."""
    reports = {}
    maps = predictions.first_with_maps(answers)
    for name, found in answers.items():
        try:
            other = None if name == reference else answers[reference]
            reports[name] = compare(predictions.fill_in(found), truth, options, other, maps)
        except DataError as error:
            failures[name] = [f"{name}: {error}"]
    return reports


def _change(scores: Floats, truth: Truth, options: BenchOptions, reference: Floats) -> Change:
    distance, positive = np.abs(scores - reference), truth.positive
    before = confusion.confuse(reference, positive, truth.threshold)
    after = confusion.confuse(scores, positive, truth.threshold)
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
    """Return the flips at `threshold`, with the results of McNemar's exact test."""
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
    untypical = _are_untypical(own, limit)
    flips = None if other is None else int(np.sum(untypical != _are_untypical(other, limit)))
    return Typicality(int(np.sum(untypical)), name, flips)


def _are_untypical(typicality: Floats, limit: float) -> Bools:
    # In float64, as classify compares: in float32 the limit may round to the next lower value.
    untypical: Bools = typicality.astype(np.float64) > limit
    return untypical
