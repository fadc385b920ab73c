"""What a bench measures: the artifacts, the images and their true classes, checked before the start."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from cxr_edge.benchmarks.devices import registry
from cxr_edge.benchmarks.drift import image_set, predictions
from cxr_edge.benchmarks.drift.drift import Truth
from cxr_edge.benchmarks.result import budget_check
from cxr_edge.benchmarks.result.bench_result import BenchOptions
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.data.dataset import Dataset
from cxr_edge.errors import BundleError, UsageError
from cxr_edge.metrics.budget import Limits
from cxr_edge.system import files

__all__ = ["Plan", "make_plan"]

_FORMATS = ("keras", "tflite", "onnx")


@dataclass(frozen=True)
class Plan:
    """The artifacts in the report's order, the images to measure (`chosen`), and with those to fit on (`every`).

    `held` names the artifacts that the budget applies to.
    """

    bundle: Bundle
    options: BenchOptions
    artifacts: list[Artifact]
    held: tuple[str, ...]
    chosen: Dataset
    every: Dataset
    truth: Truth

    @property
    def count(self) -> int:
        """The number of images to measure; they come first in `every`."""
        return len(self.chosen.items)


def make_plan(bundle: Bundle, dataset: Dataset, options: BenchOptions, limits: Limits | None, out: Path | None) -> Plan:
    """Return what to measure. Raises for every error that can be found before the start."""
    _check_options(options)
    artifacts = _order(bundle)
    _check_reference(bundle, artifacts)
    held = () if limits is None else budget_check.choose(limits, artifacts, options.margin)
    if out is not None:
        files.prepare_folder(out)
    chosen = dataset.select(split=options.split)
    fitting = image_set.choose_fitting(bundle, dataset, options.split)
    truth = image_set.read_truth(bundle, chosen, fitting, options.split)
    every = dataclasses.replace(chosen, items=chosen.items + fitting.items)
    return Plan(bundle, options, artifacts, held, chosen, every, truth)


def _check_options(options: BenchOptions) -> None:
    for device in options.devices or ("",):
        registry.check(device)
    if not options.threads or min(options.threads) < 1:
        raise UsageError("threads: must be 1 or more; give --threads 1")
    if options.min_runs < 1 or options.min_time_s < 0 or options.warmup_runs < 0:
        raise UsageError(
            "runs and times: must be at least 1 run, 0 s and 0 warm-up runs; leave them out for the defaults"
        )
    if not (0 < options.margin < 1 and 0 < options.specificity <= 1):
        raise UsageError("margin and specificity: are parts of 1; give --margin 0.01 and --specificity 0.9, say")


def _order(bundle: Bundle) -> list[Artifact]:
    """Return the artifacts sorted by format, the largest of each format first."""
    known = {name: number for number, name in enumerate(_FORMATS)}
    return sorted(
        bundle.manifest.artifacts.values(),
        key=lambda item: (known.get(item.format, len(known)), -item.size_bytes, item.name),
    )


def _check_reference(bundle: Bundle, artifacts: list[Artifact]) -> None:
    if not any(item.name in predictions.REFERENCES for item in artifacts):
        raise BundleError(
            f"{bundle.path}: has none of {', '.join(predictions.REFERENCES)} to compare with; "
            "make one with 'cxr-edge export'"
        )
