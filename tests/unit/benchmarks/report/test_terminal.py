"""A bench result on one screen, and all of its figures with --verbose."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_edge.benchmarks.compare import compare
from cxr_edge.benchmarks.measure import timing_warnings
from cxr_edge.benchmarks.report import comparison, csv_table, junit, markdown_page, report_files
from cxr_edge.benchmarks.report.page import bench_page
from cxr_edge.benchmarks.result import phrases
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult, BudgetReport, Miss
from cxr_edge.benchmarks.result.device_result import Condition, DeviceReport, Estimate, LatencyReport
from cxr_edge.benchmarks.result.drift_result import FAIL, PASS, UNDECIDED
from cxr_edge.system.about import RESEARCH_ONLY
from tests.support.benches import BROKEN, FILMS, FLOAT, INT8, latency, make_result

PAGE = Path("build") / "mine-bench" / report_files.HTML_NAME
LINES, COLUMNS = 24, 100


Other = Callable[[ArtifactResult], ArtifactResult]


def _make_full(other: Other, *, count: int = 5) -> BenchResult:
    """Return `count` artifacts, each changed by `other`, with every kind of line that a summary can have."""
    result = make_result()
    reference, int8, broken = result.artifacts
    keras = dataclasses.replace(reference, name="model.keras", format="keras")
    names = [FLOAT, INT8, "model_float32.onnx", *(f"model_variant{number}.onnx" for number in range(count - 5))]
    rows = [other(dataclasses.replace(int8, name=name)) for name in names]
    fact = "p90 16 ms on cpu (measured), 1 thread; the limit is 5 ms"
    return dataclasses.replace(
        result,
        reference=keras.name,
        artifacts=(keras, *rows, broken),
        budget=BudgetReport({"p90_ms": 5.0}, tuple(names), tuple(Miss(name, "p90_ms", fact) for name in names)),
        warnings=tuple(f"cause {number} {'was long ' * 20}; repeat. This explains it" for number in range(9)),
    )


def _emulate(row: ArtifactResult) -> ArtifactResult:
    found = DeviceReport("pi-emulated:a72", "emulated", "cortex-a72 under qemu", row.drift, None, "an emulator's time")
    return dataclasses.replace(row, elsewhere=(found,))


def _estimate(row: ArtifactResult) -> ArtifactResult:
    found = DeviceReport("pi-estimate:pi4", "estimated", "Pi 4", None, Estimate(21.5, 17.0, 31.0, "a table"), None)
    return dataclasses.replace(row, elsewhere=(found,))


def _time_over_ssh(row: ArtifactResult) -> ArtifactResult:
    device = "ssh://pi@raspberrypi/home/pi/venv/bin/python"
    there = dataclasses.replace(latency(scale=3), device=device)
    return dataclasses.replace(row, latencies=(latency(), there))


@pytest.mark.parametrize("other", [_emulate, _estimate, _time_over_ssh])
def test_summary_fits_a_screen_with_five_artifacts_and_two_devices(other: Other) -> None:
    lines = report_files.summary(_make_full(other), PAGE).splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    assert lines[-1] == RESEARCH_ONLY
    assert lines[-2].startswith(f"report: {PAGE}")


def test_summary_fits_a_screen_when_every_file_is_ruled_out_by_flips() -> None:
    result = _make_full(_emulate)
    rows = []
    for row in result.artifacts:
        if row.drift is not None and row.drift.change is not None:
            change = dataclasses.replace(
                row.drift.change, verdict=dataclasses.replace(row.drift.change.verdict, outcome=PASS)
            )
            row = dataclasses.replace(row, drift=dataclasses.replace(row.drift, change=change))
        rows.append(row)
    lines = report_files.summary(dataclasses.replace(result, artifacts=tuple(rows)), PAGE).splitlines()
    assert f"Do not ship {FLOAT}: 5 of {FILMS} images flip; the limit is 0 (1 %)." in lines
    assert len(lines) <= LINES


def test_summary_names_artifacts_of_one_verdict_together_when_they_are_many() -> None:
    lines = report_files.summary(_make_full(_emulate, count=8), PAGE).splitlines()
    assert len(lines) <= LINES
    assert sum(line.startswith(UNDECIDED) for line in lines) == 1


def test_summary_has_a_line_for_every_verdict_and_failure() -> None:
    lines = report_files.summary(_make_full(_emulate)).splitlines()
    verdicts = [line for line in lines if f"  {UNDECIDED}: " in line]
    assert [line.split()[0] for line in verdicts] == [FLOAT, INT8, "model_float32.onnx"]
    assert "40 used, about" in verdicts[0]
    assert f"{BROKEN:20}  failed: its process was killed by SIGSEGV" in lines


def test_summary_shows_three_warnings_and_counts_the_others() -> None:
    lines = report_files.summary(_make_full(_emulate)).splitlines()
    assert sum(line.startswith("warning: ") for line in lines) == 3
    assert "and 6 more warnings: --verbose" in lines
    assert "This explains it" not in " ".join(lines)


def test_summary_has_a_column_of_times_for_each_device() -> None:
    shown = report_files.summary(_make_full(_time_over_ssh))
    row = next(line for line in shown.splitlines() if line.startswith(INT8))
    assert row.split()[-3:] == ["13.0", "39.0", "74"]
    assert "p50 in ms on cpu, 1 thread and ssh://pi@raspberrypi/home/pi/venv/bin/python, 1 thread" in shown


def test_summary_never_puts_an_estimate_into_the_table() -> None:
    lines = report_files.summary(_make_full(_estimate)).splitlines()
    (shown,) = [line for line in lines if "21.5" in line]
    assert shown.startswith("pi-estimate:pi4 (estimated): about 21.5 ms (")


def test_summary_obeys_no_control_character_of_a_name() -> None:
    result = dataclasses.replace(make_result(), warnings=("\x1b[31m",), reference="\x1b[31m")
    assert "\x1b" not in report_files.summary(result, Path("\x1b[31m"))


def test_details_hold_every_figure_and_warning_of_the_summary() -> None:
    result = _make_full(_emulate)
    shown = " ".join(report_files.details(result).split())
    assert shown.count("This explains it") == 9
    for row in result.artifacts:
        if row.drift is not None and row.drift.change is not None:
            assert " ".join(f"{row.name}: {UNDECIDED}: {row.drift.change.verdict.reason}".split()) in shown
        for item in row.latencies:
            times = " / ".join(map(phrases.format_number, (item.p50_ms, item.p90_ms, item.p99_ms)))
            assert f"{row.name} {item.device} {item.threads} {times} {item.peak_mib:.0f} {item.runs}" in shown
    for part in ("refitted sens / spec", "max|dp|", "heat maps of", "AUC within a source", "machine: AMD EPYC"):
        assert part in shown
    assert shown.count("budget missed: ") == len(result.budget.misses if result.budget else ())


@pytest.mark.parametrize("outcome", [PASS, FAIL, UNDECIDED])
def test_a_verdict_has_the_same_words_in_every_form(outcome: str) -> None:
    result = make_result()
    drift = result.artifacts[1].drift
    assert drift is not None
    assert drift.change is not None
    verdict = dataclasses.replace(drift.change.verdict, outcome=outcome)
    change = dataclasses.replace(drift.change, verdict=verdict)
    row = dataclasses.replace(result.artifacts[1], drift=dataclasses.replace(drift, change=change))
    result = dataclasses.replace(result, artifacts=(result.artifacts[0], row))
    assert f"{INT8:20}  {outcome}: " in report_files.summary(result)
    assert f"  {outcome}\n" in report_files.details(result)
    assert f'"outcome": "{outcome}"' in json.dumps(result.to_json())
    assert f" | {outcome} | " in markdown_page.to_markdown(result)
    assert f",{outcome}," in csv_table.to_csv(result)
    assert f">{outcome}</span>" in bench_page.render(result, {})
    assert outcome == PASS or f'message="{outcome}: ' in junit.to_junit(result)


def test_comparison_fits_a_screen_with_five_artifacts_and_two_devices() -> None:
    result = _make_full(_time_over_ssh)
    slower = [dataclasses.replace(row, size_bytes=9, latencies=_slow(row)) for row in result.artifacts]
    other = dataclasses.replace(result, artifacts=tuple(slower))
    lines = comparison.summarise(compare(result, other), "build/a-bench", "build/b-bench").splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    assert any(line.startswith(f"{INT8}: B is slower on cpu") for line in lines)
    assert any(line.endswith("more: --verbose") for line in lines)


def _slow(row: ArtifactResult) -> tuple[LatencyReport, ...]:
    return tuple(dataclasses.replace(latency(scale=9), device=item.device) for item in row.latencies)


def test_comparison_says_that_nothing_differs() -> None:
    result = make_result()
    assert "No difference exceeds the noise." in comparison.summarise(compare(result, result), "a", "b")


def test_the_first_sentence_of_a_timing_warning_fits_a_line() -> None:
    result = make_result()
    conditions = tuple(Condition(None, "ondemand", mhz, 80.0, ("throttled",)) for mhz in (1000.0, 2000.0))
    rows = []
    for kind, scale in (("float32", 1.0), ("int8", 2.0)):
        timed = dataclasses.replace(latency(scale=scale), conditions=conditions)
        for suffix in ("tflite", "onnx"):
            row = dataclasses.replace(result.artifacts[0], name=f"model_{kind}.{suffix}", latencies=(timed,))
            rows.append(dataclasses.replace(row, format=suffix, quantization=kind))
    warnings = [*timing_warnings.find(rows), timing_warnings.explain_integers(rows, result.machine)]
    lines = [f"warning: {phrases.headline(text)}" for text in warnings if text]
    assert len(lines) == 4
    assert max(map(len, lines)) <= COLUMNS
    assert lines[-1].endswith("model_int8.tflite and model_int8.onnx are slower than float32; use float32 for speed")
