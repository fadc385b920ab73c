"""One bench run: predict, compare, time, and put it together. Artifacts only ever load in processes of their own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import cxr_edge
from cxr_edge import files, metrics
from cxr_edge.benchmarks import devices, drift, elsewhere, latency, machine, unrest
from cxr_edge.benchmarks.drift import Floats, Truth
from cxr_edge.benchmarks.elsewhere import Ask
from cxr_edge.benchmarks.journal import Journal, key_of
from cxr_edge.benchmarks.latency import Subject
from cxr_edge.benchmarks.result import (
    ArtifactResult,
    BenchOptions,
    BenchResult,
    DataFacts,
    DeviceReport,
    DriftReport,
    LatencyReport,
    ModelFacts,
)
from cxr_edge.bundle import Artifact, Bundle
from cxr_edge.dataset import Dataset
from cxr_edge.errors import BundleError, DataError, OutputError, RuntimeFailure, UsageError
from cxr_edge.progress import Progress

__all__ = ["STRICT", "BenchOptions", "run"]

STRICT: dict[str, Any] = {"min_runs": 1024, "min_time_s": 60.0}
"""What `--strict` asks for: the runs and seconds that MLPerf's single-stream scenario asks for."""

_TIMED_FILMS = 16
_FORMATS = ("keras", "tflite", "onnx")


def run(
    bundle: Bundle, dataset: Dataset, options: BenchOptions, *, out: Path | None, resume: bool = False
) -> BenchResult:
    """Measure every artifact of `bundle` on the films of one split.

    Nothing is written but `out`, the folder the report is meant for, is proved writable before the measuring starts;
    finished turns are kept in it until the end, and `resume` takes those of an interrupted run of the same kind over.
    An artifact that fails is a row with its reason. Raises UsageError for options that cannot be, BundleError
    without an artifact to compare with, RuntimeFailure when none of them runs, DataError, OutputError.
    """
    started, start_s = datetime.now(timezone.utc), time.monotonic()
    _check_options(options)
    artifacts = _order(bundle)
    _check_reference(bundle, artifacts)
    if out is not None:
        files.prepare_folder(out)
    chosen = dataset.select(split=options.split)
    truth = _read_truth(bundle, chosen)
    with _scratch() as folder, ExitStack() as stack:
        opened = elsewhere.open_all(options, stack)
        with Progress("films", len(chosen.items)) as progress:
            pixels = chosen.pixels(progress=progress)
        scores, failures = _predict_all(bundle, artifacts, _save(folder / "films.npy", pixels))
        reference = _choose_reference(scores, failures)
        reports = _compare_all(scores, truth, reference, failures)
        sound = [item for item in artifacts if item.name in reports]

        def judge(artifact: Artifact, ask: Ask) -> DriftReport:
            found = drift.predict(bundle, artifact, folder / "films.npy", ask=ask)
            return drift.compare(found, truth, scores[reference])

        others, missed = elsewhere.measure(bundle, sound, opened.values(), judge)
        timed = _save(folder / "timed.npy", _pick_films(pixels, options.seed))
        identities = [device.identity for device in opened.values()]
        key = key_of(options, artifacts, chosen.fingerprint(), identities)
        journal = None if out is None else Journal(out, key, resume=resume)
        activity = machine.Activity()
        there = {name: opened[name] for name in elsewhere.timed(opened)}
        turns = latency.schedule(sound, options, there)
        latencies, faults = latency.measure(bundle, turns, timed, options, there, journal)
        disturbance = activity.warning()
        if journal is not None:
            journal.clear()
    for name, reasons in missed.items():
        failures.setdefault(name, []).extend(reasons)
    for subject, reason in faults.items():
        failures.setdefault(subject.artifact, []).append(
            f"{latency.name_threads(subject.device, subject.threads)}: {reason}"
        )
    rows = tuple(
        _make_row(item, reports.get(item.name), latencies, failures.get(item.name, []), others.get(item.name, []))
        for item in artifacts
    )
    return BenchResult(
        version=cxr_edge.__version__,
        started=started.isoformat(timespec="seconds"),
        duration_s=round(time.monotonic() - start_s, 1),
        model=_describe_model(bundle),
        data=_describe_data(chosen, truth, options.split),
        options=options,
        machine=machine.describe(),
        reference=reference,
        artifacts=rows,
        warnings=_collect_warnings(chosen, rows, reference, disturbance, options),
    )


def _check_options(options: BenchOptions) -> None:
    for device in options.devices or ("",):
        devices.check(device)
    if not options.threads or min(options.threads) < 1:
        raise UsageError("threads: must be 1 or more; give --threads 1")
    if options.min_runs < 1 or options.min_time_s < 0 or options.warmup_runs < 0:
        raise UsageError(
            "runs and times: must be at least 1 run, 0 s and 0 warm-up runs; leave them out for the defaults"
        )


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


def _read_truth(bundle: Bundle, chosen: Dataset) -> Truth:
    manifest = bundle.manifest
    if manifest.positive not in chosen.labels:
        raise DataError(
            f"{chosen.name}: has the classes {', '.join(chosen.labels)}, the bundle looks for '{manifest.positive}'; "
            "rename the class in the data set"
        )
    positive = np.array([item.label == manifest.positive for item in chosen.items], dtype=np.bool_)
    # Raises where the films cannot give an AUC, before anything is measured.
    metrics.auc_interval(np.zeros(len(positive)), positive)
    return Truth(positive, [item.source for item in chosen.items], manifest.threshold)


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cxr-edge-") as folder:
        yield Path(folder)


def _save(path: Path, pixels: npt.NDArray[np.uint8]) -> Path:
    try:
        np.save(path, pixels, allow_pickle=False)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path.parent}: the films' pixels cannot be put there ({reason}); free space or set TMPDIR"
        ) from error
    return path


def _pick_films(pixels: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    count = min(_TIMED_FILMS, len(pixels))
    picked: npt.NDArray[np.uint8] = pixels[
        np.sort(np.random.default_rng(seed).choice(len(pixels), count, replace=False))
    ]
    return picked


def _predict_all(
    bundle: Bundle, artifacts: list[Artifact], films: Path
) -> tuple[dict[str, Floats], dict[str, list[str]]]:
    scores: dict[str, Floats] = {}
    failures: dict[str, list[str]] = {}
    with Progress("drift", len(artifacts)) as progress:
        for artifact in artifacts:
            try:
                scores[artifact.name] = drift.predict(bundle, artifact, films)
            except RuntimeFailure as error:
                failures[artifact.name] = [str(error)]
            progress.advance(note=artifact.name)
    return scores, failures


def _choose_reference(scores: Mapping[str, Floats], failures: Mapping[str, list[str]]) -> str:
    for name in drift.REFERENCES:
        if name in scores and np.isfinite(scores[name]).all():
            return name
    reasons = [failures[name][0] for name in drift.REFERENCES if name in failures]
    raise RuntimeFailure(
        f"nothing to compare with runs: {'; '.join(reasons) or 'its scores are not finite; export it again'}"
    )


def _compare_all(
    scores: Mapping[str, Floats], truth: Truth, reference: str, failures: dict[str, list[str]]
) -> dict[str, DriftReport]:
    reports = {}
    for name, values in scores.items():
        try:
            reports[name] = drift.compare(values, truth, None if name == reference else scores[reference])
        except DataError as error:
            failures[name] = [f"{name}: {error}"]
    return reports


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


def _describe_data(chosen: Dataset, truth: Truth, split: str) -> DataFacts:
    return DataFacts(
        name=chosen.name,
        split=split,
        fingerprint=chosen.fingerprint(),
        films=tuple(item.item_id for item in chosen.items),
        positive=tuple(truth.positive.tolist()),
        sources=tuple(truth.sources),
    )


def _collect_warnings(
    chosen: Dataset, rows: tuple[ArtifactResult, ...], reference: str, disturbance: str | None, options: BenchOptions
) -> tuple[str, ...]:
    found: list[str | None] = [*chosen.notes, disturbance]
    if reference != drift.REFERENCES[0]:
        why = next(
            (row.failures[0] for row in rows if row.name == drift.REFERENCES[0] and row.failures),
            "it is not in the bundle",
        )
        found.append(f"the reference is {reference}, not the float Keras model, so drift before it is not seen ({why})")
    threads, cores = max(options.threads), machine.usable_cores()
    if threads > cores:
        found.append(f"{threads} threads were asked for and {cores} cores may be used; ask for fewer")
    found.append(latency.find_unrest((row.name, report) for row in rows for report in row.latencies))
    found += unrest.find(rows)
    found.append(unrest.explain_integers(rows, machine.describe()))
    return tuple(text for text in found if text)
