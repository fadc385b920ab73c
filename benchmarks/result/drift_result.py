"""What is found out about one artifact's answers, as frozen dataclasses: the `drift` part of bench.json.

docs/benchmarks.md explains each field. An interval of a change is paired: both models saw the same films.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cxr_edge.metrics.intervals import Interval

__all__ = [
    "FAIL",
    "PASS",
    "UNDECIDED",
    "Change",
    "DriftReport",
    "Flips",
    "GalleryFilm",
    "Localisation",
    "SourceReport",
    "Transfer",
    "Typicality",
    "Verdict",
]

PASS, FAIL, UNDECIDED = "pass", "fail", "not enough images"
"""The outcomes of a verdict."""


@dataclass(frozen=True)
class Verdict:
    """The outcome and what it rests on. `low` and `high` are the limits of the change of AUC that were held to -margin.

    `images_needed` is None where `images` decided, and where the change lies so near -margin that no number helps.
    """

    outcome: str
    margin: float
    low: float
    high: float
    images: int
    images_needed: int | None
    reason: str


@dataclass(frozen=True)
class Flips:
    """Films called otherwise than by the reference, with two exact McNemar tests.

    `p_calls` asks whether as many went to positive as to negative, `p_correct` whether as many were corrected (wrong by
    the reference, right now) as spoiled.
    """

    count: int
    to_positive: int
    to_negative: int
    p_calls: float
    corrected: int
    spoiled: int
    p_correct: float


@dataclass(frozen=True)
class Change:
    """An artifact against the reference, on the same films.

    `auc` is AUC(artifact) - AUC(reference) with its paired DeLong interval; `largest` and `mean` are absolute changes
    of the positive class's probability; the others are changes of the figure of the same name.
    """

    auc: Interval
    sensitivity: float
    specificity: float
    flips: Flips
    largest: float
    mean: float
    sensitivity_at: Interval
    calibration_error: Interval
    brier: Interval
    verdict: Verdict


@dataclass(frozen=True)
class Transfer:
    """The operating point fitted anew (Youden) on the artifact's own scores of the split `fitted_on`, used here.

    Where `fitted_on` is the measured split itself, the rates flatter.
    """

    fitted_on: str
    threshold: float
    sensitivity: float
    specificity: float


@dataclass(frozen=True)
class SourceReport:
    """The films of one source. What needs both classes, or a reference, is None without."""

    positive_films: int
    negative_films: int
    auc: Interval | None
    change: Interval | None
    flips: int | None
    sensitivity: float | None
    specificity: float | None


@dataclass(frozen=True)
class Localisation:
    """Whether the heat map lies on the lesions of the positive films that have a mask.

    `hit_rate` is the part of films whose hottest cell the mask reaches into, `energy` the mean part of the map's sum
    that lies on the mask; `chance_...` is what an even map would get. Changes are against `reference`, None for it.
    """

    films: int
    hit_rate: Interval
    energy: float
    chance_hit_rate: float
    chance_energy: float
    reference: str
    hits_lost: int | None
    hits_gained: int | None
    energy_change: Interval | None


@dataclass(frozen=True)
class Typicality:
    """How many films are found unlike the training films; `flips` are those that `reference` judges otherwise."""

    untypical: int
    reference: str
    flips: int | None


@dataclass(frozen=True)
class DriftReport:
    """An artifact's figures on the films; `change` is None for the reference. `scores` are in the films' order."""

    auc: Interval
    accuracy: float
    sensitivity: float
    specificity: float
    sensitivity_at: Interval
    calibration_error: float
    brier: float
    distinct_scores: int
    tied_pairs: float
    transfer: Transfer
    sources: Mapping[str, SourceReport]
    localisation: Localisation | None
    typicality: Typicality | None
    change: Change | None
    scores: tuple[float, ...]


@dataclass(frozen=True)
class GalleryFilm:
    """A film on which artifacts differ most. `margin` is how far the worst of them lies beyond the threshold.

    It is positive where a call differs from the reference's and negative where all agree. `heatmaps` are 49 values by
    rows, for each artifact that has them.
    """

    film: str
    margin: float
    heatmaps: Mapping[str, tuple[float, ...]]
