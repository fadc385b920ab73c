"""What the artifacts answer on this machine: all of them asked, the reference chosen, the others compared with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cxr_edge.benchmarks.drift import drift
from cxr_edge.benchmarks.drift.drift import Answers, Truth
from cxr_edge.benchmarks.result.bench_result import BenchOptions
from cxr_edge.benchmarks.result.drift_result import DriftReport
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.errors import BundleError, DataError, PreflightError, RuntimeFailure
from cxr_edge.system.progress import Progress

__all__ = ["choose_reference", "compare_all", "fill_in", "predict_all"]


def predict_all(
    bundle: Bundle, artifacts: list[Artifact], films: Path, count: int
) -> tuple[dict[str, Answers], dict[str, list[str]]]:
    """Return each artifact's answers for the films of the .npy file, and the reasons of those that gave none."""
    answers: dict[str, Answers] = {}
    failures: dict[str, list[str]] = {}
    with Progress("drift", len(artifacts)) as progress:
        for artifact in artifacts:
            try:
                answers[artifact.name] = drift.predict(bundle, artifact, films, count, folder=films.parent)
            except (BundleError, PreflightError, RuntimeFailure) as error:
                failures[artifact.name] = [str(error)]
            progress.advance(note=artifact.name)
    return answers, failures


def choose_reference(answers: Mapping[str, Answers], failures: Mapping[str, list[str]]) -> str:
    """Return whose answers the others are compared with. Raises RuntimeFailure where none of the float ones runs."""
    for name in drift.REFERENCES:
        if name in answers and np.isfinite(answers[name].scores).all():
            return name
    reasons = [failures[name][0] for name in drift.REFERENCES if name in failures]
    raise RuntimeFailure(
        f"nothing to compare with runs: {'; '.join(reasons) or 'its scores are not finite; export it again'}"
    )


def compare_all(
    answers: dict[str, Answers], truth: Truth, options: BenchOptions, reference: str, failures: dict[str, list[str]]
) -> dict[str, DriftReport]:
    """Return each artifact's drift from the reference; one that cannot be judged gets a reason in `failures`."""
    reports = {}
    maps = drift.first_with_maps(answers)
    for name, found in answers.items():
        try:
            other = None if name == reference else answers[reference]
            reports[name] = drift.compare(fill_in(found), truth, options, other, maps)
        except DataError as error:
            failures[name] = [f"{name}: {error}"]
    return reports


def fill_in(found: Answers) -> Answers:
    """Return the answers with those to fit thresholds on, which are the measured ones where there are no others."""
    return found if len(found.fit_scores) else dataclasses.replace(found, fit_scores=found.scores)
