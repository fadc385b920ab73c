"""`cxr_edge.bench`: a bench as one call."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from cxr_edge.benchmarks import run
from cxr_edge.benchmarks.drift import gallery
from cxr_edge.benchmarks.report import report_files
from cxr_edge.benchmarks.result import budget_check
from cxr_edge.benchmarks.result.bench_result import BenchOptions, BenchResult
from cxr_edge.bundles.bundle import DEFAULT, Bundle, open_bundle
from cxr_edge.data.dataset import open_dataset
from cxr_edge.metrics.budget import Limits

__all__ = ["bench", "bench_and_write", "make_options"]


def bench(
    bundle: str | Path | Bundle = DEFAULT,
    *,
    data: str | Path = "phantom",
    split: str = "test",
    devices: Sequence[str] = ("cpu",),
    threads: Sequence[int] = (1,),
    budget: Limits | None = None,
    margin: float | None = None,
    specificity: float = 0.90,
    allow_software_gpu: bool = False,
    strict: bool = False,
    out: Path | None = None,
    resume: bool = False,
    pictures: bool = True,
) -> BenchResult:
    """Measure drift, latency, size and memory of every artifact of a bundle against its reference.

    The arguments are the options of `cxr-edge bench`. With `out` the report is written there as JSON, HTML, CSV,
    Markdown and JUnit XML, with `pictures` of the images that differ most; `resume` goes on with a run of the same kind
    that was stopped. `result.budget` says which limits of `budget` were missed. Raises UsageError, DataError,
    BundleError, DeviceError, RuntimeFailure when no artifact runs, OutputError, MissingExtraError.
    """
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    options = make_options(
        split=split,
        devices=devices,
        threads=threads,
        budget=budget,
        margin=margin,
        specificity=specificity,
        allow_software_gpu=allow_software_gpu,
        strict=strict,
    )
    result, _ = bench_and_write(opened, data, options, budget, out, resume=resume, pictures=pictures)
    return result


def make_options(
    *,
    split: str,
    devices: Sequence[str],
    threads: Sequence[int],
    budget: Limits | None,
    margin: float | None,
    specificity: float,
    allow_software_gpu: bool,
    strict: bool,
) -> BenchOptions:
    """Return the options of a bench; the margin is that of the budget unless one is given. Raises UsageError."""
    options = BenchOptions(
        devices=tuple(devices),
        threads=tuple(threads),
        split=split,
        margin=budget_check.choose_margin(margin, budget),
        specificity=specificity,
        allow_software_gpu=allow_software_gpu,
    )
    return dataclasses.replace(options, **run.STRICT) if strict else options


def bench_and_write(
    bundle: Bundle,
    data: str | Path,
    options: BenchOptions,
    budget: Limits | None,
    out: Path | None,
    *,
    resume: bool,
    pictures: bool,
) -> tuple[BenchResult, list[Path]]:
    """Run a bench; return its result, and the files of the report, none without `out`. Raises what `bench` raises."""
    images = open_dataset(data, positive=bundle.manifest.positive)
    result = run.run(bundle, images, options, out=out, limits=budget, resume=resume)
    if out is None:
        return result, []
    return result, report_files.write(result, out, gallery.draw(result.gallery, images) if pictures else {})
