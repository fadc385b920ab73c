"""The figures of one artifact's predictions, as frozen dataclasses: the `drift` part of bench.json.

docs/benchmarks.md explains each field. Intervals of changes are paired: both models predicted the same images.
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
    """The outcome and its reason. `low` and `high` are the limits of the change of AUC, compared with -margin.

    `images_needed` is None if the verdict is decided, or if the change is so close to -margin that more images do not
    help.
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
    """Images whose label differs from the reference's, with two exact McNemar tests.

    `spoiled` counts regressions (right by the reference, wrong now), `corrected` counts fixes (wrong by the reference,
    right now). `p_correct` tests whether both are equally frequent. `p_calls` tests whether flips to positive and to
    negative are equally frequent.
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
    """An artifact compared with the reference on the same images.

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
    """The rates at a threshold refitted to the artifact by Youden's index, on its scores of the split `fitted_on`.

    The rates are optimistic if `fitted_on` is the measured split itself.
    """

    fitted_on: str
    threshold: float
    sensitivity: float
    specificity: float


@dataclass(frozen=True)
class SourceReport:
    """The images of one source. A figure is None if it needs both classes or a reference and lacks them."""

    positive_films: int
    negative_films: int
    auc: Interval | None
    change: Interval | None
    flips: int | None
    sensitivity: float | None
    specificity: float | None


@dataclass(frozen=True)
class Localisation:
    """Whether the heat map lies on the lesions of the positive images that have a mask.

    `hit_rate` is the part of images whose hottest cell overlaps the mask. `energy` is the mean part of the map's sum
    that lies on the mask. `chance_...` is the value of a uniform map. Changes are against `reference`, and None for the
    reference itself.
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
    """How many images are unlike the training images; `flips` counts those that `reference` judges differently."""

    untypical: int
    reference: str
    flips: int | None


@dataclass(frozen=True)
class DriftReport:
    """An artifact's figures; `change` is None for the reference. `scores` are in the order of the images."""

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
    """An image on which artifacts differ most. `margin` is how far the worst of them lies beyond the threshold.

    It is positive if a prediction differs from the reference's, and negative if all agree. `heatmaps` has 49 values by
    rows for each artifact with a map.
    """

    film: str
    margin: float
    heatmaps: Mapping[str, tuple[float, ...]]
