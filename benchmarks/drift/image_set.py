"""The images of a run: which to measure, fit thresholds on and time, and their true classes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cxr_edge.benchmarks.drift import localisation
from cxr_edge.benchmarks.drift.drift import Truth
from cxr_edge.benchmarks.result.bench_result import DataFacts
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.data.dataset import Dataset
from cxr_edge.errors import DataError, OutputError
from cxr_edge.metrics import roc
from cxr_edge.metrics.confusion import Floats
from cxr_edge.system.progress import Progress

__all__ = ["choose_fitting", "describe_data", "note_patients", "pick_films", "read_truth", "save"]

_TIMED_FILMS = 16


def choose_fitting(bundle: Bundle, dataset: Dataset, split: str) -> Dataset:
    """Return the images to fit thresholds on: those of val, or none if val itself is measured."""
    fitting = tuple(item for item in dataset.items if item.split == "val" and split != "val")
    classes = {item.label == bundle.manifest.positive for item in fitting}
    return dataclasses.replace(dataset, items=fitting if len(classes) == 2 else ())


def read_truth(bundle: Bundle, chosen: Dataset, fitting: Dataset, split: str) -> Truth:
    """Return the true classes. Raises DataError if they are not the bundle's, or for too few images of one."""
    manifest = bundle.manifest
    if manifest.positive not in chosen.labels:
        raise DataError(
            f"{chosen.name}: has the classes {', '.join(chosen.labels)}, the bundle looks for '{manifest.positive}'; "
            "rename the class in the data set"
        )
    positive = _are_positive(chosen, manifest.positive)
    fit_positive = _are_positive(fitting, manifest.positive) if fitting.items else positive
    # Raises before anything is measured if the images cannot give an AUC.
    roc.auc_interval(np.zeros(len(positive)), positive)
    return Truth(
        positive,
        [item.source for item in chosen.items],
        manifest.threshold,
        fit_positive,
        "val" if fitting.items else split,
        _read_covers(chosen, manifest.positive),
        manifest.typicality_limit,
    )


def _are_positive(part: Dataset, positive: str) -> npt.NDArray[np.bool_]:
    return np.array([item.label == positive for item in part.items], dtype=np.bool_)


def _read_covers(chosen: Dataset, positive: str) -> list[Floats | None]:
    """Return the part of each cell that the lesion of a positive image covers, None if unknown."""
    covers: list[Floats | None] = [None] * len(chosen.items)
    marked = [
        (row, item)
        for row, item in enumerate(chosen.items)
        if item.label == positive and (item.phantom is not None or item.mask_path is not None)
    ]
    if marked:
        with Progress("masks", len(marked)) as progress:
            for row, item in marked:
                mask = item.mask()
                covers[row] = None if mask is None else localisation.cover_cells(mask)
                progress.advance()
    return covers


def save(path: Path, pixels: npt.NDArray[np.uint8]) -> Path:
    """Save the pixels for the worker processes and return the path. Raises OutputError."""
    try:
        np.save(path, pixels, allow_pickle=False)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path.parent}: cannot save the pixels of the images ({reason}); free space or set TMPDIR"
        ) from error
    return path


def pick_films(pixels: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """Return the images to time, (at most 16, 224, 224, 3), in their order."""
    count = min(_TIMED_FILMS, len(pixels))
    picked: npt.NDArray[np.uint8] = pixels[
        np.sort(np.random.default_rng(seed).choice(len(pixels), count, replace=False))
    ]
    return picked


def describe_data(chosen: Dataset, truth: Truth, split: str) -> DataFacts:
    """Return the facts about the images for the report."""
    return DataFacts(
        name=chosen.name,
        split=split,
        fingerprint=chosen.fingerprint(),
        patients=len({item.patient_id for item in chosen.items}),
        simulated=all(item.phantom is not None for item in chosen.items),
        films=tuple(item.item_id for item in chosen.items),
        positive=tuple(truth.positive.tolist()),
        sources=tuple(truth.sources),
    )


def note_patients(chosen: Dataset) -> str | None:
    """Return a warning when patients have several images, None when each has one."""
    films, patients = len(chosen.items), len({item.patient_id for item in chosen.items})
    if patients == films:
        return None
    return (
        f"the {films} images are of {patients} patients, so intervals are too narrow; add patients, not images. "
        "Intervals and tests treat images as independent"
    )
