"""The order of turns, and the figures that come from their times."""

from __future__ import annotations

import dataclasses

import pytest

from cxr_edge.benchmarks import run
from cxr_edge.benchmarks.devices import registry
from cxr_edge.benchmarks.measure import latency
from cxr_edge.benchmarks.measure.latency import Subject
from cxr_edge.benchmarks.measure.turn_answer import TurnAnswer
from cxr_edge.benchmarks.result.bench_result import BenchOptions
from cxr_edge.benchmarks.result.device_result import Condition, LatencyReport
from cxr_edge.bundles.manifest import Artifact

SUBJECT = Subject("a.tflite", "tflite", "cpu", 1)


def _artifact(name: str) -> Artifact:
    return Artifact(name, name.split(".")[1], "none", "0" * 64, 1, ("probabilities",))


def _answer(times_ms: list[float], *, peak_mib: float = 70.0, load_ms: float = 5.0) -> TurnAnswer:
    return TurnAnswer(
        import_ms=1.0,
        load_ms=load_ms,
        first_ms=9.0,
        times_ms=tuple(times_ms),
        bare_mib=10.0,
        peak_mib=peak_mib,
        condition=Condition(None, None, None, None, None),
        coverage=None,
        batch=1,
        batch_ms=(),
        runtime="library 1.0",
        delegate="none",
    )


def _summarise(*turns: list[float]) -> LatencyReport:
    return latency.summarise(SUBJECT, [_answer(times) for times in turns])


def test_schedule_takes_artifacts_in_turns() -> None:
    turns = latency.schedule([_artifact("a.tflite"), _artifact("b.onnx")], BenchOptions())
    assert [turn.subject.artifact for turn in turns] == ["a.tflite", "b.onnx"] * latency.ROUNDS


def test_schedule_gives_each_artifact_the_runs_and_time_asked_for() -> None:
    turns = latency.schedule([_artifact("a.tflite")], BenchOptions(min_runs=101, min_time_s=6.0))
    assert sum(turn.runs for turn in turns) >= 101
    assert sum(turn.time_s for turn in turns) == pytest.approx(6.0)


def test_strict_asks_for_1024_runs_and_a_minute() -> None:
    options = dataclasses.replace(BenchOptions(), **run.STRICT)
    turns = latency.schedule([_artifact("a.tflite")], options)
    assert (sum(turn.runs for turn in turns), sum(turn.time_s for turn in turns)) == (1024, 60.0)


def test_schedule_gives_no_turn_to_what_a_device_refuses() -> None:
    opened = {"pi-estimate:pi4": registry.open("pi-estimate:pi4"), "cpu": registry.open("cpu")}
    turns = latency.schedule([_artifact("b.onnx")], BenchOptions(devices=tuple(opened)), opened)
    assert {turn.subject.device for turn in turns} == {"cpu"}


def test_throughput_is_of_whole_batches_and_none_without() -> None:
    batched = latency.summarise(SUBJECT, [dataclasses.replace(_answer([1.0]), batch=8, batch_ms=(16.0, 20.0, 16.0))])
    assert batched.batch == 8
    assert batched.films_per_s == pytest.approx(500.0)
    assert _summarise([1.0]).films_per_s is None


def test_schedule_times_keras_in_half_the_rounds_at_the_first_thread_count() -> None:
    turns = latency.schedule([_artifact("m.keras"), _artifact("a.tflite")], BenchOptions(threads=(2, 4)))
    assert [turn.subject.threads for turn in turns if turn.subject.format == "keras"] == [2] * (latency.ROUNDS // 2)
    assert [turn.subject.threads for turn in turns if turn.subject.format == "tflite"] == [2, 4] * latency.ROUNDS


def test_percentiles_are_of_all_turns_together() -> None:
    report = _summarise([float(value) for value in range(1, 52)], [float(value) for value in range(52, 102)])
    assert (report.runs, report.p50_ms, report.p90_ms, report.p99_ms) == (101, 51.0, 91.0, 100.0)


def test_percentiles_keep_an_outlier() -> None:
    assert _summarise([1.0] * 50 + [1000.0] * 2).p99_ms > 900


def test_summary_keeps_every_time_by_turn() -> None:
    assert _summarise([1.0, 2.0], [3.0]).times_ms == ((1.0, 2.0), (3.0,))


def test_memory_is_the_largest_of_the_turns_and_load_their_median() -> None:
    answers = [
        _answer([1.0], peak_mib=70, load_ms=5),
        _answer([1.0], peak_mib=75, load_ms=50),
        _answer([1.0], load_ms=6),
    ]
    report = latency.summarise(SUBJECT, answers)
    assert (report.peak_mib, report.increase_mib, report.load_ms) == (75, 65, 6)


def test_unrest_is_named_when_turns_differ() -> None:
    calm, shaken = _summarise([10.0, 30.0, 10.0], [10.5]), _summarise([10.0, 10.0], [13.0, 13.0])
    warning = latency.find_unrest([("a.tflite", calm), ("b.tflite", shaken)])
    assert warning is not None
    assert "differ by more than 15%: b.tflite, 1 thread: 10 to 13 ms" in warning


def test_unrest_is_silent_when_turns_agree() -> None:
    assert latency.find_unrest([("a.tflite", _summarise([10.0, 30.0, 10.0], [10.5]))]) is None
