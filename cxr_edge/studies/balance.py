"""Four ways to meet unequal classes, on one frozen backbone: nothing, class weights, focal loss, augmented copies.

Heads train on cached features, so that a way costs seconds and five seeds of each can be had.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.errors import UsageError
from cxr_edge.studies import scoring, weights
from cxr_edge.studies.cached_heads import AUGMENT, HeadSpec, Place, head_job, prepare
from cxr_edge.studies.jobs import Engine, Record, run_all
from cxr_edge.studies.report import study_page
from cxr_edge.studies.subset import HELD_OUT, describe, thin, truth_of

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


def run(options: BalanceOptions, out: Path, *, resume: bool = False, engine: Engine | None = None) -> dict[str, Any]:
    """Run the study in the folder `out` and return its result. Raises UsageError, DataError, OutputError."""
    dataset = thin(open_dataset(options.data, positive=options.positive), options.films)
    source = weights.find(options.weights, options.backbone)
    if source.weights is None:
        raise UsageError(f"--weights: {source.described}")
    record = Record(out, resume=resume)
    place = Place.of(options.data, source.weights, out)
    facts = {"data": dataset.fingerprint(), "weights": source.described}
    jobs = {
        (way, seed): head_job(
            f"{way} seed {seed}",
            HeadSpec(options.backbone, way, seed, options.epochs, options.films, options.positive),
            place,
            facts,
        )
        for seed in options.seeds
        for way in options.ways
    }
    prepare(open_dataset(options.data, positive=options.positive), options.backbone, place, list(jobs.values()), record)
    answers = run_all(list(jobs.values()), record, "heads", engine or Engine())
    rows = [_make_row(way, [answers[jobs[way, seed].name] for seed in options.seeds], dataset) for way in options.ways]
    result = study_page.head(NAME, dataset, options) | {
        "films": describe(dataset),
        "positive": {split: truth_of(dataset, split).positive.tolist() for split in HELD_OUT},
        "weights": source.described,
        "rows": rows,
        "pairs": [_compare(dataset, rows[0], row) for row in rows[1:]],
    }
    study_page.write(result, out)
    return result


def _make_row(way: str, answers: list[dict[str, Any]], dataset: Dataset) -> dict[str, Any]:
    """Return figures of each seed, and of the mean probability of all seeds, whose interval is about films alone."""
    splits = answers[0]["scores"]
    mean = {
        split: np.mean([answer["scores"][split] for answer in answers], axis=0).astype(float).tolist()
        for split in splits
    }
    own = [scoring.report(dataset, answer["scores"]) for answer in answers]
    split = own[0]["split"]
    positive = truth_of(dataset, split).positive
    # What the model would call at a half, without a threshold of its own: there the balance tells.
    at_half = [np.array(answer["scores"][split]) >= 0.5 for answer in answers]
    return {
        "way": way,
        "figures": own,
        "mean_figures": scoring.report(dataset, mean),
        "mean_scores": mean,
        "sensitivity_at_half": [float(called[positive].mean()) for called in at_half],
        "specificity_at_half": [float((~called[~positive]).mean()) for called in at_half],
        "epochs": [answer["best"] + 1 for answer in answers],
    }


def _compare(dataset: Dataset, first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    split = first["mean_figures"]["split"]
    values = [np.array(row["mean_scores"][split]) for row in (first, second)]
    bars = first["mean_figures"]["threshold"], second["mean_figures"]["threshold"]
    tested = scoring.compare(values[0], values[1], truth_of(dataset, split).positive, bars)
    return {"from": first["way"], "to": second["way"]} | tested
