"""The processor's state, and the warnings that come of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cxr_edge.benchmarks import conditions, latency, machine, unrest
from cxr_edge.benchmarks.latency import Subject
from cxr_edge.benchmarks.result import ArtifactResult, Condition, LatencyReport

CALM = Condition((0, 1), "performance", 1500.0, 50.0, ())


def report(p50_ms: float, *found: Condition) -> LatencyReport:
    answer = {"import_ms": 1.0, "load_ms": 1.0, "first_ms": 1.0, "peak_mib": 9.0, "bare_mib": 1.0, "runtime": "r",
              "delegate": "d", "times_ms": [p50_ms]}  # fmt: skip
    made = latency.summarise(Subject("a", "tflite", "cpu", 1), [answer])
    return dataclasses.replace(made, conditions=found)


def row(name: str, *reports: LatencyReport) -> ArtifactResult:
    stem, _, format = name.partition(".")
    return ArtifactResult(name, format, stem.removeprefix("model_"), "0" * 64, 1, None, reports, ())


def test_throttling_is_read_as_the_firmware_of_a_pi_writes_it() -> None:
    assert conditions.read_throttled("throttled=0x0") == []
    assert conditions.read_throttled("throttled=0x50005") == ["under-voltage", "throttled"]
    assert conditions.read_throttled("throttled=0x20000") == ["frequency capped since boot"]
    assert conditions.read_throttled(None) is None


def test_vcgencmd_is_asked_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vcgencmd").write_text("#!/bin/sh\necho throttled=0x4\n")
    (tmp_path / "vcgencmd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert conditions.read()["throttled"] == ["throttled"]


def test_read_names_the_cores_this_process_may_use() -> None:
    assert len(conditions.read()["affinity"]) == machine.usable_cores()


def test_a_steady_processor_gives_no_warning() -> None:
    assert unrest.find([row("model_int8.tflite", report(1.0, CALM, CALM))]) == []


def test_throttling_a_slower_clock_and_a_governor_are_warnings_that_say_what_to_do() -> None:
    hot = dataclasses.replace(CALM, governor="ondemand", frequency_mhz=600.0, throttled=("throttled",))
    throttled, governor, clock = unrest.find([row("model_int8.tflite", report(1.0, CALM, hot))])
    assert "cpu: the board reports throttled; give it a stronger power supply or cool it" in throttled
    assert "governor performance, ondemand" in governor
    assert "echo performance" in governor
    assert "fell from 1500 to 600 MHz" in clock


@pytest.mark.parametrize(
    ("features", "reason"),
    [(("avx2",), "no instruction that multiplies and adds 8-bit"), (("avx2", "avx_vnni"), "the processor has VNNI")],
)
def test_int8_slower_than_float32_is_explained_by_the_processor(features: tuple[str, ...], reason: str) -> None:
    here = dataclasses.replace(machine.describe(), cpu_features=features)
    rows = [row("model_int8.tflite", report(9.0)), row("model_float32.tflite", report(5.0))]
    text = unrest.explain_integers(rows, here)
    assert text is not None
    assert "model_int8.tflite 9 ms, model_float32.tflite 5 ms" in text
    assert reason in text


def test_int8_faster_than_float32_needs_no_explanation() -> None:
    rows = [row("model_int8.tflite", report(3.0)), row("model_float32.tflite", report(5.0))]
    assert unrest.explain_integers(rows, machine.describe()) is None
