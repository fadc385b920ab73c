"""One bench run: predict, compare, time, and put it together. Artifacts only ever load in processes of their own."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cxr_edge.benchmarks.devices import other_devices, registry
from cxr_edge.benchmarks.drift import drift, gallery, image_set, predictions
from cxr_edge.benchmarks.measure import latency, machine, timing_warnings
from cxr_edge.benchmarks.measure.device import Device
from cxr_edge.benchmarks.measure.journal import Journal, key_of
from cxr_edge.benchmarks.measure.latency import Subject
from cxr_edge.benchmarks.result import budget_check, phrases
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchOptions, BenchResult, ModelFacts
from cxr_edge.benchmarks.result.device_result import DeviceReport, LatencyReport
from cxr_edge.benchmarks.result.drift_result import DriftReport
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.data.dataset import Dataset
from cxr_edge.errors import BundleError, UsageError
from cxr_edge.metrics.budget import Limits
from cxr_edge.processes.cores import count_cores
from cxr_edge.system import files
from cxr_edge.system.about import __version__
from cxr_edge.system.progress import Progress

__all__ = ["STRICT", "BenchOptions", "run"]

STRICT: dict[str, Any] = {"min_runs": 1024, "min_time_s": 60.0}
"""What `--strict` asks for: the runs and seconds that MLPerf's single-stream scenario asks for."""

_FORMATS = ("keras", "tflite", "onnx")


def run(
    bundle: Bundle,
    dataset: Dataset,
    options: BenchOptions,
    *,
    out: Path | None,
    limits: Limits | None = None,
    resume: bool = False,
) -> BenchResult:
    """Measure every artifact of `bundle` on the films of one split, and hold them to `limits`.

    Nothing is written but `out`, the folder the report is meant for, is proved writable before the measuring starts;
    finished turns are kept in it until the end, and `resume` takes those of an interrupted run of the same kind over.
    An artifact that fails is a row with its reason. Raises UsageError for options that cannot be, BundleError
    without an artifact to compare with, RuntimeFailure when none of them runs, DataError, OutputError.
    """
    started, start_s = datetime.now(timezone.utc), time.monotonic()
    _check_options(options)
    artifacts = _order(bundle)
    _check_reference(bundle, artifacts)
    held = () if limits is None else budget_check.choose(limits, artifacts, options.margin)
    if out is not None:
        files.prepare_folder(out)
    chosen = dataset.select(split=options.split)
    fitting = image_set.choose_fitting(bundle, dataset, options.split)
    truth = image_set.read_truth(bundle, chosen, fitting, options.split)
    with _scratch() as folder, ExitStack() as stack:
        opened = other_devices.open_all(options, stack)
        both = dataclasses.replace(chosen, items=chosen.items + fitting.items)
        with Progress("films", len(both.items)) as progress:
            pixels = both.pixels(progress=progress)
        films = image_set.save(folder / "films.npy", pixels)
        answers, failures = predictions.predict_all(bundle, artifacts, films, len(chosen.items))
        reference = predictions.choose_reference(answers, failures)
        reports = predictions.compare_all(answers, truth, options, reference, failures)
        shown = gallery.choose(
            {name: answers[name] for name in reports}, reference, truth, [item.item_id for item in chosen.items]
        )
        sound = [item for item in artifacts if item.name in reports]
        identities = [device.identity for device in opened.values()]
        key = key_of(options, artifacts, both.fingerprint(), identities)
        journal = None if out is None else Journal(out, key, resume=resume)

        def judge(artifact: Artifact, device: Device) -> DriftReport:
            # Without maps: they are compared where both were made here.
            ask = device.ask if journal is None else functools.partial(_ask_once, journal, device)
            found = drift.predict(bundle, artifact, films, len(chosen.items), ask=ask)
            return drift.compare(predictions.fill_in(found), truth, options, answers[reference], None)

        others, missed = other_devices.measure(bundle, sound, opened.values(), judge)
        timed = image_set.save(folder / "timed.npy", image_set.pick_films(pixels[: len(chosen.items)], options.seed))
        activity = machine.Activity()
        there = {name: opened[name] for name in other_devices.timed(opened)}
        turns = latency.schedule(sound, options, there)
        latencies, faults = latency.measure(bundle, turns, timed, options, there, journal)
        disturbance = activity.warning()
        if journal is not None:
            journal.clear()
    for name, reasons in missed.items():
        failures.setdefault(name, []).extend(reasons)
    for subject, reason in faults.items():
        failures.setdefault(subject.artifact, []).append(
            f"{phrases.name_threads(subject.device, subject.threads)}: {reason}"
        )
    rows = tuple(
        _make_row(item, reports.get(item.name), latencies, failures.get(item.name, []), others.get(item.name, []))
        for item in artifacts
    )
    return BenchResult(
        version=__version__,
        started=started.isoformat(timespec="seconds"),
        duration_s=round(time.monotonic() - start_s, 1),
        model=_describe_model(bundle),
        data=image_set.describe_data(chosen, truth, options.split),
        options=options,
        machine=machine.describe(),
        reference=reference,
        artifacts=rows,
        gallery=shown,
        budget=None if limits is None else budget_check.check(limits, rows, held),
        warnings=_collect_warnings(chosen, rows, reference, disturbance, options),
    )


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
    """Return the artifacts by format, the largest of each first."""
    known = {name: number for number, name in enumerate(_FORMATS)}
    return sorted(
        bundle.manifest.artifacts.values(),
        key=lambda item: (known.get(item.format, len(known)), -item.size_bytes, item.name),
    )


def _check_reference(bundle: Bundle, artifacts: list[Artifact]) -> None:
    if not any(item.name in drift.REFERENCES for item in artifacts):
        raise BundleError(
            f"{bundle.path}: has none of {', '.join(drift.REFERENCES)} to compare with; make one with 'cxr-edge export'"
        )


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cxr-edge-") as folder:
        yield Path(folder)


def _ask_once(journal: Journal, device: Device, request: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Return the device's answer about the artifact `name`, the one that was kept where the bench was stopped."""
    return journal.keep(f"{name} on {device.name}", lambda: device.ask(request, name=name))


def _make_row(
    artifact: Artifact,
    report: DriftReport | None,
    latencies: Mapping[Subject, LatencyReport],
    failures: list[str],
    others: list[DeviceReport],
) -> ArtifactResult:
    return ArtifactResult(
        name=artifact.name,
        format=artifact.format,
        quantization=artifact.quantization,
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
        drift=report,
        latencies=tuple(found for subject, found in latencies.items() if subject.artifact == artifact.name),
        failures=tuple(failures),
        elsewhere=tuple(others),
    )


def _describe_model(bundle: Bundle) -> ModelFacts:
    manifest = bundle.manifest
    return ModelFacts(manifest.name, manifest.architecture, manifest.labels, manifest.positive, manifest.threshold)


def _collect_warnings(
    chosen: Dataset, rows: tuple[ArtifactResult, ...], reference: str, disturbance: str | None, options: BenchOptions
) -> tuple[str, ...]:
    found: list[str | None] = [*chosen.notes, disturbance, image_set.note_patients(chosen)]
    if reference != drift.REFERENCES[0]:
        why = next(
            (row.failures[0] for row in rows if row.name == drift.REFERENCES[0] and row.failures),
            "it is not in the bundle",
        )
        found.append(f"the reference is {reference}, not the float Keras model, so drift before it is not seen ({why})")
    threads, cores = max(options.threads), count_cores()
    if threads > cores:
        found.append(f"{threads} threads were asked for and {cores} cores may be used; ask for fewer")
    found.append(latency.find_unrest((row.name, report) for row in rows for report in row.latencies))
    found += timing_warnings.find(rows)
    found.append(timing_warnings.explain_integers(rows, machine.describe()))
    return tuple(text for text in found if text)
