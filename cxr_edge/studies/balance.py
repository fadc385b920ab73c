"""Four ways to meet unequal classes, on one frozen backbone: nothing, class weights, focal loss, augmented copies.

Heads train on cached features, so that a way costs seconds and five seeds of each can be had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.data.sufficiency import require_measurable
from cxr_edge.errors import UsageError
from cxr_edge.studies import scoring, weights
from cxr_edge.studies.cached_heads import AUGMENT, HeadSpec, Place, TrainedHead, head_job, prepare
from cxr_edge.studies.jobs import Engine, Job, Record, run_all
from cxr_edge.studies.report import facts, study_page
from cxr_edge.studies.report.balance_result import BalanceRow, BalanceStudy
from cxr_edge.studies.scoring import Pair
from cxr_edge.studies.subset import thin, truth_of

__all__ = ["WAYS", "BalanceOptions", "run"]

NAME = "balance"
WAYS = ("none", "weights", "focal", AUGMENT)


@dataclass(frozen=True)
class BalanceOptions:
    """What `study balance` compares; the first of `ways` is what the others are tested against."""

    data: str
    weights: str = "imagenet"
    ways: tuple[str, ...] = WAYS
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    epochs: int = 60
    films: int | None = None
    backbone: str = "mobilenetv2"
    positive: str = "covid"


def run(options: BalanceOptions, out: Path, *, resume: bool = False, engine: Engine | None = None) -> BalanceStudy:
    """Run the study in the folder `out` and return its result. Raises UsageError, DataError, OutputError."""
    whole = open_dataset(options.data, positive=options.positive)
    require_measurable(whole)
    dataset = thin(whole, options.films)
    source = weights.find(options.weights, options.backbone)
    if source.weights is None:
        raise UsageError(f"--weights: {source.described}")
    record = Record(out, resume=resume)
    place = Place.of(options.data, source.weights, out)
    jobs = _plan(options, place, {"data": dataset.fingerprint(), "weights": source.described})
    prepare(whole, options.backbone, place, list(jobs.values()), record)
    answers = run_all(list(jobs.values()), record, "heads", engine or Engine())
    rows = []
    for way in options.ways:
        heads = [TrainedHead.from_json(answers[jobs[way, seed].name]) for seed in options.seeds]
        rows.append(_make_row(way, heads, dataset))
    pairs = tuple(_compare(dataset, rows[0], row) for row in rows[1:])
    study = BalanceStudy(facts.gather(NAME, dataset, options), source.described, tuple(rows), pairs)
    study_page.write(study, out)
    return study


def _plan(options: BalanceOptions, place: Place, identity: Mapping[str, str]) -> dict[tuple[str, int], Job]:
    """Return a job for each way and seed, seed by seed; `identity` tells films and weights."""
    jobs = {}
    for seed in options.seeds:
        for way in options.ways:
            spec = HeadSpec(options.backbone, way, seed, options.epochs, options.films, options.positive)
            jobs[way, seed] = head_job(f"{way} seed {seed}", spec, place, identity)
    return jobs


def _make_row(way: str, heads: Sequence[TrainedHead], dataset: Dataset) -> BalanceRow:
    """Return figures of each seed, and of the mean probability of all seeds, whose interval is about films alone."""
    mean = {}
    for split in heads[0].scores:
        mean[split] = np.mean([head.scores[split] for head in heads], axis=0).astype(float).tolist()
    figures = tuple(scoring.report(dataset, head.scores) for head in heads)
    split = figures[0].split
    positive = truth_of(dataset, split).positive
    # What the model would call at a half, without a threshold of its own: there the balance tells.
    called = [np.array(head.scores[split]) >= 0.5 for head in heads]
    return BalanceRow(
        way=way,
        figures=figures,
        mean_figures=scoring.report(dataset, mean),
        mean_scores=mean,
        sensitivity_at_half=tuple(float(own[positive].mean()) for own in called),
        specificity_at_half=tuple(float((~own[~positive]).mean()) for own in called),
        epochs=tuple(head.best + 1 for head in heads),
    )


def _compare(dataset: Dataset, first: BalanceRow, second: BalanceRow) -> Pair:
    before, after = (first.mean_scores, first.mean_figures), (second.mean_scores, second.mean_figures)
    return Pair(first.way, second.way, scoring.compare(dataset, before, after))
