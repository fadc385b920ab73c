"""The time of one image, measured in turns of new processes.

Every artifact has several turns, in the order A B C A B C. A disturbance of some seconds then affects all artifacts,
not only one. Each turn is a new process, so the figures include what differs between processes, such as memory layout
and library start.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from cxr_edge.benchmarks.measure import turn_answer
from cxr_edge.benchmarks.measure.device import Device
from cxr_edge.benchmarks.measure.journal import Journal
from cxr_edge.benchmarks.measure.percentiles import percentiles
from cxr_edge.benchmarks.measure.turn_answer import TurnAnswer
from cxr_edge.benchmarks.result import phrases
from cxr_edge.benchmarks.result.bench_result import BenchOptions
from cxr_edge.benchmarks.result.device_result import MEASURED, LatencyReport
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.errors import DataError, DeviceError, RuntimeFailure
from cxr_edge.models import is_trusted
from cxr_edge.system.progress import Progress

__all__ = ["ROUNDS", "Subject", "Turn", "find_unrest", "measure", "schedule", "summarise"]

ROUNDS = 4

_UNREST = 1.15
"""The largest ratio of the slowest turn's median to the fastest turn's that needs no warning."""


@dataclass(frozen=True)
class Subject:
    """An artifact to time, by its name, on a device with a thread count."""

    artifact: str
    format: str
    device: str
    threads: int


@dataclass(frozen=True)
class Turn:
    """One new process with at least `runs` timed runs and at least `time_s` seconds of runs."""

    subject: Subject
    runs: int
    time_s: float


def schedule(
    artifacts: Sequence[Artifact], options: BenchOptions, opened: Mapping[str, Device] | None = None
) -> list[Turn]:
    """Return the turns in their order; all turns of an artifact together have the wanted runs and time.

    `opened` maps names to the devices to time on, by default those that `options` names. An artifact that a device
    refuses has no turn there. Keras has half the turns and only the first thread count, because it is slow and not a
    format for the edge.
    """
    devices = options.devices if opened is None else tuple(opened)
    turns = []
    for number in range(ROUNDS):
        for device in devices:
            taken = [item for item in artifacts if opened is None or opened[device].refuse(item) is None]
            for threads in options.threads:
                first = threads == options.threads[0]
                turns += [
                    _plan_turn(item, device, threads, options) for item in taken if _has_turn(item, number, first)
                ]
    return turns


def _has_turn(artifact: Artifact, number: int, first_thread_count: bool) -> bool:
    """Return whether an artifact is timed in the round `number`."""
    return artifact.format != "keras" or (number % 2 == 0 and first_thread_count)


def _plan_turn(artifact: Artifact, device: str, threads: int, options: BenchOptions) -> Turn:
    subject = Subject(artifact.name, artifact.format, device, threads)
    return Turn(subject, math.ceil(options.min_runs / ROUNDS), options.min_time_s / ROUNDS)


def measure(
    bundle: Bundle,
    turns: Sequence[Turn],
    films: Path,
    options: BenchOptions,
    opened: Mapping[str, Device],
    journal: Journal | None = None,
) -> tuple[dict[Subject, LatencyReport], dict[Subject, str]]:
    """Run the turns on the pixels of the .npy file `films`; return each subject's report, or why it has none.

    `opened` maps names to devices. A turn that `journal` holds does not run again.
    """
    answers: dict[Subject, list[TurnAnswer]] = defaultdict(list)
    failures: dict[Subject, str] = {}
    with Progress("latency", len(turns)) as progress:
        for number, turn in enumerate(turns):
            subject = turn.subject
            if subject not in failures:
                ask = functools.partial(_take, bundle, turn, films, options, opened[subject.device])
                try:
                    found = ask() if journal is None else journal.keep(f"turn {number:04d}", ask)
                    answers[subject].append(turn_answer.read(found, subject.artifact))
                except (RuntimeFailure, DeviceError, DataError) as error:
                    failures[subject] = str(error)
            progress.advance(note=subject.artifact)
    reports = {
        subject: summarise(subject, found, opened[subject.device].identity, seed=options.seed)
        for subject, found in answers.items()
        if subject not in failures
    }
    return reports, failures


def summarise(subject: Subject, answers: Sequence[TurnAnswer], identity: str = "", *, seed: int = 0) -> LatencyReport:
    """Return the report of one subject from the answers of its turns; percentiles are of all timed runs together."""
    p50, p90, p99 = percentiles([answer.times_ms for answer in answers], seed=seed)
    batches_ms = [value for answer in answers for value in answer.batch_ms]
    batch = max(answer.batch for answer in answers)
    return LatencyReport(
        device=subject.device,
        kind=MEASURED,
        threads=subject.threads,
        runtime=answers[0].runtime,
        delegate=answers[0].delegate,
        runs=sum(len(answer.times_ms) for answer in answers),
        p50_ms=p50.value,
        p90_ms=p90.value,
        p99_ms=p99.value,
        import_ms=median(answer.import_ms for answer in answers),
        load_ms=median(answer.load_ms for answer in answers),
        first_ms=median(answer.first_ms for answer in answers),
        peak_mib=max(answer.peak_mib for answer in answers),
        increase_mib=max(answer.peak_mib - answer.bare_mib for answer in answers),
        times_ms=tuple(tuple(round(value, 4) for value in answer.times_ms) for answer in answers),
        identity=identity,
        p50=p50,
        p90=p90,
        p99=p99,
        coverage=answers[0].coverage,
        batch=batch,
        films_per_s=batch / median(batches_ms) * 1e3 if batches_ms else None,
        conditions=tuple(answer.condition for answer in answers),
    )


def find_unrest(reports: Iterable[tuple[str, LatencyReport]]) -> str | None:
    """Return a warning that names the artifacts whose turns have very different medians, else None."""
    apart = []
    for name, report in reports:
        medians = [median(times) for times in report.times_ms]
        if max(medians) > _UNREST * min(medians):
            apart.append(f"{phrases.name_threads(name, report.threads)}: {min(medians):.3g} to {max(medians):.3g} ms")
    if not apart:
        return None
    return (
        f"something disturbed {len(apart)} of the timings; close other programs and repeat. The medians of the turns "
        f"differ by more than {_UNREST - 1:.0%}: {'; '.join(apart)}"
    )


def _take(bundle: Bundle, turn: Turn, films: Path, options: BenchOptions, device: Device) -> dict[str, Any]:
    subject = turn.subject
    request = {
        "task": "time",
        "bundle": str(bundle.path.resolve()),
        "artifact": subject.artifact,
        "trusted": is_trusted(bundle, bundle.manifest.artifacts[subject.artifact]),
        "format": subject.format,
        "threads": subject.threads,
        "films": str(films),
        "warmup_runs": options.warmup_runs,
        "runs": turn.runs,
        "time_s": turn.time_s,
        # A .tflite has a batch of one.
        "batch": options.batch if subject.format == "onnx" else 1,
    }
    return device.ask(request, name=subject.artifact)
