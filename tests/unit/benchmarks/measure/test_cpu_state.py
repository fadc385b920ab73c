"""The processor's state, and the warnings that come of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cxr_edge.benchmarks.measure import cpu_state, latency, machine, timing_warnings
from cxr_edge.benchmarks.measure.latency import Subject
from cxr_edge.benchmarks.measure.turn_answer import TurnAnswer
from cxr_edge.benchmarks.result.bench_result import ArtifactResult
from cxr_edge.benchmarks.result.device_result import Condition, LatencyReport
from cxr_edge.processes.cores import count_cores

CALM = Condition((0, 1), "performance", 1500.0, 50.0, ())


def report(p50_ms: float, *found: Condition) -> LatencyReport:
    answer = TurnAnswer(1.0, 1.0, 1.0, (p50_ms,), 1.0, 9.0, CALM, None, 1, (), "r", "d")
    made = latency.summarise(Subject("a", "tflite", "cpu", 1), [answer])
    return dataclasses.replace(made, conditions=found)


def row(name: str, *reports: LatencyReport) -> ArtifactResult:
    stem, _, format = name.partition(".")
    return ArtifactResult(name, format, stem.removeprefix("model_"), "0" * 64, 1, None, reports, ())


def test_throttling_is_read_as_the_firmware_of_a_pi_writes_it() -> None:
    assert cpu_state.read_throttled("throttled=0x0") == []
    assert cpu_state.read_throttled("throttled=0x50005") == ["under-voltage", "throttled"]
    assert cpu_state.read_throttled("throttled=0x20000") == ["frequency capped since boot"]
    assert cpu_state.read_throttled(None) is None


def test_vcgencmd_is_asked_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vcgencmd").write_text("#!/bin/sh\necho throttled=0x4\n")
    (tmp_path / "vcgencmd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert cpu_state.read()["throttled"] == ["throttled"]


def test_read_names_the_cores_this_process_may_use() -> None:
    assert len(cpu_state.read()["affinity"]) == count_cores()


def test_a_steady_processor_gives_no_warning() -> None:
    assert timing_warnings.find([row("model_int8.tflite", report(1.0, CALM, CALM))]) == []


def test_throttling_a_slower_clock_and_a_governor_are_warnings_that_say_what_to_do() -> None:
    hot = dataclasses.replace(CALM, governor="ondemand", frequency_mhz=600.0, throttled=("throttled",))
    throttled, governor, clock = timing_warnings.find([row("model_int8.tflite", report(1.0, CALM, hot))])
    assert "cpu: the board reports throttled; cool it or use a stronger power supply" in throttled
    assert "governor performance, ondemand" in governor
    assert "echo performance" in governor
    assert "fell from 1500 to 600 MHz" in clock


@pytest.mark.parametrize(
    ("features", "reason"),
    [(("avx2",), "no instruction that multiplies and adds 8-bit"), (("avx2", "avx_vnni"), "The processor has VNNI")],
)
def test_int8_slower_than_float32_is_explained_by_the_processor(features: tuple[str, ...], reason: str) -> None:
    here = dataclasses.replace(machine.describe(), cpu_features=features)
    rows = [row("model_int8.tflite", report(9.0)), row("model_float32.tflite", report(5.0))]
    text = timing_warnings.explain_integers(rows, here)
    assert text is not None
    assert "model_int8.tflite 9 ms, model_float32.tflite 5 ms" in text
    assert reason in text


def test_int8_faster_than_float32_needs_no_explanation() -> None:
    rows = [row("model_int8.tflite", report(3.0)), row("model_float32.tflite", report(5.0))]
    assert timing_warnings.explain_integers(rows, machine.describe()) is None
