"""One bench run: predict, compare, time, and join the results. Artifacts only load in separate processes."""

from __future__ import annotations

import functools
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge.benchmarks.devices import other_devices
from cxr_edge.benchmarks.drift import drift, gallery, image_set, predictions
from cxr_edge.benchmarks.drift.predictions import Answers
from cxr_edge.benchmarks.measure import latency, machine, timing_warnings
from cxr_edge.benchmarks.measure.device import Device
from cxr_edge.benchmarks.measure.journal import Journal, key_of
from cxr_edge.benchmarks.measure.latency import Subject
from cxr_edge.benchmarks.plan import Plan, make_plan
from cxr_edge.benchmarks.result import budget_check, phrases
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchOptions, BenchResult, ModelFacts
from cxr_edge.benchmarks.result.device_result import DeviceReport, LatencyReport
from cxr_edge.benchmarks.result.drift_result import DriftReport, GalleryFilm
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.data.dataset import Dataset
from cxr_edge.metrics.budget import Limits
from cxr_edge.processes.cores import count_cores
from cxr_edge.system.about import __version__
from cxr_edge.system.progress import Progress

__all__ = ["STRICT", "BenchOptions", "run"]

STRICT: dict[str, Any] = {"min_runs": 1024, "min_time_s": 60.0}
"""The runs and seconds of `--strict`, which are those of MLPerf's single-stream scenario."""


@dataclass(frozen=True)
class _Here:
    """Predictions on this machine: the reference's `answers`, and each artifact's drift from them."""

    answers: Answers
    reference: str
    reports: Mapping[str, DriftReport]
    gallery: tuple[GalleryFilm, ...]
    failures: Mapping[str, list[str]]

    def sound(self, plan: Plan) -> list[Artifact]:
        """Return the artifacts that ran."""
        return [item for item in plan.artifacts if item.name in self.reports]


@dataclass(frozen=True)
class _Timing:
    """The latencies, why some are missing, and a warning if other programs used the processor."""

    latencies: Mapping[Subject, LatencyReport]
    faults: Mapping[Subject, str]
    disturbance: str | None


def run(
    bundle: Bundle,
    dataset: Dataset,
    options: BenchOptions,
    *,
    out: Path | None,
    limits: Limits | None = None,
    resume: bool = False,
) -> BenchResult:
    """Measure every artifact of `bundle` on the images of one split, and check them against `limits`.

    `out` is the folder for the report. Before the start, the run checks that `out` is writable. It writes no report; it
    only keeps finished turns there until the end. `resume` reuses the finished turns of an interrupted run with the
    same options. An artifact that fails has a row with its reason. Raises UsageError for invalid options, BundleError
    without an artifact to compare with, RuntimeFailure when none of these runs, DataError, OutputError.
    """
    started, start_s = datetime.now(timezone.utc), time.monotonic()
    plan = make_plan(bundle, dataset, options, limits, out)
    with tempfile.TemporaryDirectory(prefix="cxr-edge-") as name, ExitStack() as stack:
        folder = Path(name)
        devices = other_devices.open_all(options, stack)
        pixels = _read_pixels(plan)
        films = image_set.save(folder / "films.npy", pixels)
        here = _predict_here(plan, films)
        journal = None if out is None else Journal(out, _key_of(plan, devices), resume=resume)
        there, missed = other_devices.measure(
            bundle, here.sound(plan), devices.values(), functools.partial(_judge_there, plan, here, films, journal)
        )
        timing = _time(plan, here, devices, image_set.pick_films(pixels[: plan.count], options.seed), folder, journal)
        if journal is not None:
            journal.clear()
    failures = _join_failures(here.failures, missed, timing.faults)
    rows = tuple(_make_row(item, here, timing, failures, there) for item in plan.artifacts)
    return BenchResult(
        version=__version__,
        started=started.isoformat(timespec="seconds"),
        duration_s=round(time.monotonic() - start_s, 1),
        model=_describe_model(bundle),
        data=image_set.describe_data(plan.chosen, plan.truth, options.split),
        options=options,
        machine=machine.describe(),
        reference=here.reference,
        artifacts=rows,
        gallery=here.gallery,
        budget=None if limits is None else budget_check.check(limits, rows, plan.held),
        warnings=_collect_warnings(plan, rows, here.reference, timing.disturbance),
    )


def _read_pixels(plan: Plan) -> npt.NDArray[np.uint8]:
    with Progress("images", len(plan.every.items)) as progress:
        return plan.every.pixels(progress=progress)


def _predict_here(plan: Plan, films: Path) -> _Here:
    """Let every artifact predict on this machine, and compare the predictions with the reference's."""
    answers, failures = predictions.predict_all(plan.bundle, plan.artifacts, films, plan.count)
    reference = predictions.choose_reference(answers, failures)
    reports = drift.compare_all(answers, plan.truth, plan.options, reference, failures)
    compared = {name: answers[name] for name in reports}
    shown = gallery.choose(compared, reference, plan.truth, [item.item_id for item in plan.chosen.items])
    return _Here(answers[reference], reference, reports, shown, failures)


def _key_of(plan: Plan, devices: Mapping[str, Device]) -> str:
    identities = [device.identity for device in devices.values()]
    return key_of(plan.options, plan.artifacts, plan.every.fingerprint(), identities)


def _judge_there(
    plan: Plan, here: _Here, films: Path, journal: Journal | None, artifact: Artifact, device: Device
) -> DriftReport:
    """Let an artifact predict on another device, unless `journal` has it, and compare with the reference here."""

    def ask(request: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        if journal is None:
            return device.ask(request, name=name)
        return journal.keep(f"{name} on {device.name}", lambda: device.ask(request, name=name))

    found = predictions.predict(plan.bundle, artifact, films, plan.count, ask=ask)
    # Without heat maps: those are only compared when both were made on this machine.
    return drift.compare(predictions.fill_in(found), plan.truth, plan.options, here.answers, None)


def _time(
    plan: Plan,
    here: _Here,
    devices: Mapping[str, Device],
    pixels: npt.NDArray[np.uint8],
    folder: Path,
    journal: Journal | None,
) -> _Timing:
    """Time the artifacts that ran, on every device with latencies, with these images."""
    films = image_set.save(folder / "timed.npy", pixels)
    activity = machine.Activity()
    timed = {name: devices[name] for name in other_devices.timed(devices)}
    turns = latency.schedule(here.sound(plan), plan.options, timed)
    reports, faults = latency.measure(plan.bundle, turns, films, plan.options, timed, journal)
    return _Timing(reports, faults, activity.warning())


def _join_failures(
    here: Mapping[str, Sequence[str]], there: Mapping[str, Sequence[str]], faults: Mapping[Subject, str]
) -> dict[str, list[str]]:
    """Return the failures of each artifact: on this machine, on other devices, in the timing."""
    joined: dict[str, list[str]] = defaultdict(list)
    for reasons_by_name in (here, there):
        for name, reasons in reasons_by_name.items():
            joined[name] += reasons
    for subject, reason in faults.items():
        joined[subject.artifact].append(f"{phrases.name_threads(subject.device, subject.threads)}: {reason}")
    return joined


def _make_row(
    artifact: Artifact,
    here: _Here,
    timing: _Timing,
    failures: Mapping[str, Sequence[str]],
    there: Mapping[str, Sequence[DeviceReport]],
) -> ArtifactResult:
    return ArtifactResult(
        name=artifact.name,
        format=artifact.format,
        quantization=artifact.quantization,
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
        drift=here.reports.get(artifact.name),
        latencies=tuple(found for subject, found in timing.latencies.items() if subject.artifact == artifact.name),
        failures=tuple(failures.get(artifact.name, ())),
        elsewhere=tuple(there.get(artifact.name, ())),
    )


def _describe_model(bundle: Bundle) -> ModelFacts:
    manifest = bundle.manifest
    return ModelFacts(manifest.name, manifest.architecture, manifest.labels, manifest.positive, manifest.threshold)


def _collect_warnings(
    plan: Plan, rows: tuple[ArtifactResult, ...], reference: str, disturbance: str | None
) -> tuple[str, ...]:
    latencies = [(row.name, report) for row in rows for report in row.latencies]
    found = [
        *plan.chosen.notes,
        disturbance,
        image_set.note_patients(plan.chosen),
        _explain_reference(rows, reference),
        _count_threads(plan.options),
        latency.find_unrest(latencies),
        *timing_warnings.find(rows),
        timing_warnings.explain_integers(rows, machine.describe()),
    ]
    return tuple(text for text in found if text)


def _explain_reference(rows: Sequence[ArtifactResult], reference: str) -> str | None:
    first = predictions.REFERENCES[0]
    if reference == first:
        return None
    reasons = [row.failures[0] for row in rows if row.name == first and row.failures]
    why = reasons[0] if reasons else "it is not in the bundle"
    return (
        f"compared with {reference}, not the float Keras model: add {first} or TensorFlow. Drift from Keras to "
        f"{reference} is not measured ({why})"
    )


def _count_threads(options: BenchOptions) -> str | None:
    threads, cores = max(options.threads), count_cores()
    if threads <= cores:
        return None
    return f"{threads} threads share {cores} core{'s' * (cores > 1)}; use --threads {cores} or fewer"
