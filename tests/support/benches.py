"""A bench result made by hand, with a good, a doubtful and a failed artifact, for the tests of reports."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from cxr_edge.benchmarks.drift import drift, gallery
from cxr_edge.benchmarks.drift.drift import Truth
from cxr_edge.benchmarks.drift.predictions import Answers
from cxr_edge.benchmarks.measure.percentiles import percentiles
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchOptions, BenchResult, DataFacts, ModelFacts
from cxr_edge.benchmarks.result.device_result import Condition, DeviceReport, Estimate, LatencyReport, Machine

HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m"
FLOAT, INT8, BROKEN = "model_float32.tflite", "model_int8.tflite", "model_int8.onnx"
FILMS = 40

_OPTIONS = BenchOptions(threads=(1, 2))
_POSITIVE = np.arange(FILMS) % 2 == 0
_SOURCES = ["hospital-a" if film < 20 else "hospital-b" for film in range(FILMS)]
_MAPS = np.linspace(0, 1, 49)[None].repeat(FILMS, axis=0)


def latency(threads: int = 1, scale: float = 1.0) -> LatencyReport:
    """Return the report of an artifact that takes about 13 ms, times `scale`, with four turns of 25 runs."""
    times = tuple(tuple(scale * (10 + index % 7) for index in range(turn, turn + 25)) for turn in range(4))
    p50, p90, p99 = percentiles(times)
    return LatencyReport(
        "cpu", "measured", threads, "ai-edge-litert 2.3.0", "XNNPACK", 100, 13 * scale, 16 * scale, 16 * scale,
        7.0, 80.0, 15.0, 74.0, 63.0, times, p50, p90, p99, "AMD EPYC",
    )  # fmt: skip


def with_devices(result: BenchResult) -> BenchResult:
    """Return the result with an emulated Pi, an estimate and a refusal beside what was measured."""
    first, int8, *rest = result.artifacts
    assert int8.drift is not None
    moved = dataclasses.replace(int8.drift, scores=tuple(score - 0.25 for score in int8.drift.scores))
    conditions = tuple(Condition((0, 1), "performance", mhz, 61.0, ("throttled",)) for mhz in (1500.0, 1800.0))
    timed = tuple(
        dataclasses.replace(item, conditions=conditions, coverage=0.89, batch=8, films_per_s=196.0)
        for item in int8.latencies
    )
    elsewhere = (
        DeviceReport("pi-emulated:a72", "emulated", "cortex-a72 under qemu", moved, None, "an emulator's time"),
        DeviceReport(
            "pi-estimate:pi4", "estimated", "Raspberry Pi 4", None, Estimate(21.5, 17.0, 31.0, "a table"), None
        ),
        DeviceReport("gpu:webgpu", "measured", "a GPU", None, None, "has no int8 arithmetic"),
    )
    int8 = dataclasses.replace(int8, latencies=timed, elsewhere=elsewhere)
    return dataclasses.replace(result, artifacts=(first, int8, *rest))


def row(name: str, quantization: str, **fields: Any) -> ArtifactResult:
    """Return a row that has nothing but the `fields` given."""
    empty = ArtifactResult(name, name.rsplit(".", 1)[1], quantization, "0" * 64, 3_200_000, None, (), ())
    return dataclasses.replace(empty, **fields)


@functools.cache
def make_result(*, noise: float = 0.6) -> BenchResult:
    """Return a result on 40 films of two sources; int8 differs from the reference by `noise` in its logits."""
    random = np.random.default_rng(0)
    logits = random.normal(np.where(_POSITIVE, 1.0, -1.0), 1.0)
    scores = [1 / (1 + np.exp(-values)) for values in (logits, logits + random.normal(0, noise, FILMS))]
    float_answers, int8_answers = (
        Answers(values, values, {"heatmap": _MAPS, "typicality": np.ones((FILMS, 1))}) for values in scores
    )
    ids = [f"film-{film:02d}" for film in range(FILMS)]
    truth = Truth(_POSITIVE, _SOURCES, 0.5, _POSITIVE, "test", [np.ones(49) / 4] * FILMS, 2.0)
    maps = FLOAT, float_answers
    reports = (
        drift.compare(float_answers, truth, _OPTIONS, None, maps),
        drift.compare(int8_answers, truth, _OPTIONS, float_answers, maps),
    )
    return BenchResult(
        version="0.1.0",
        started="2026-01-02T03:04:05+00:00",
        duration_s=12.5,
        model=ModelFacts("mine", "mobilenetv2", ("covid", "noncovid"), "covid", 0.5),
        data=DataFacts("films", "test", "f" * 64, 39, False, tuple(ids), tuple(_POSITIVE.tolist()), tuple(_SOURCES)),
        options=_OPTIONS,
        machine=Machine(
            "AMD EPYC", ("avx2",), "x86_64", 2, 2, 8192, None, None, "Linux 6.1", "3.11.2", {"numpy": "2.4.6"}
        ),
        reference=FLOAT,
        artifacts=(
            row(FLOAT, "none", drift=reports[0], latencies=(latency(scale=10),)),
            row(INT8, "int8", drift=reports[1], latencies=(latency(), latency(2, 0.6))),
            row(BROKEN, "int8", failures=(f"{BROKEN}: its process was killed by SIGSEGV",)),
        ),
        gallery=gallery.choose({FLOAT: float_answers, INT8: int8_answers}, FLOAT, truth, ids),
        budget=None,
        warnings=("the machine was busy",),
    )


def rename(result: BenchResult, name: str) -> BenchResult:
    """Return the result with `name` in every place that a user's files can name."""
    rows = tuple(
        dataclasses.replace(
            item,
            name=f"{item.name}{name}",
            failures=(name,),
            elsewhere=tuple(
                dataclasses.replace(found, device=name, identity=name, withheld=name) for found in item.elsewhere
            ),
            drift=item.drift
            and dataclasses.replace(item.drift, sources=dict.fromkeys((name,), item.drift.sources["hospital-a"])),
        )
        for item in result.artifacts
    )
    return dataclasses.replace(
        result,
        reference=rows[0].name,
        artifacts=rows,
        warnings=(name,),
        gallery=tuple(dataclasses.replace(entry, film=f"{entry.film}{name}") for entry in result.gallery),
        model=dataclasses.replace(result.model, name=name, architecture=name, positive=name),
        data=dataclasses.replace(
            result.data, name=name, sources=(name,) * FILMS, films=tuple(f"{film}{name}" for film in result.data.films)
        ),
        machine=dataclasses.replace(result.machine, cpu_model=name, board=name, libraries={name: name}),
    )
