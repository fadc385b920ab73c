"""Which artifact a report says to ship, and which it rules out."""

from __future__ import annotations

import dataclasses

from cxr_edge.benchmarks.report import report_files
from cxr_edge.benchmarks.report.page import bench_page
from cxr_edge.benchmarks.report.recommendation import Exclusion, recommend
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult, BudgetReport, Miss
from cxr_edge.benchmarks.result.device_result import DeviceReport
from cxr_edge.benchmarks.result.drift_result import FAIL, PASS, DriftReport
from tests.support.benches import FILMS, latency, make_result


def _drift(*, flips: int = 0, outcome: str = PASS) -> DriftReport:
    drift = make_result().artifacts[1].drift
    assert drift is not None
    assert drift.change is not None
    verdict = dataclasses.replace(drift.change.verdict, outcome=outcome)
    counted = dataclasses.replace(drift.change.flips, count=flips)
    return dataclasses.replace(drift, change=dataclasses.replace(drift.change, verdict=verdict, flips=counted))


def _row(
    name: str, mb: float, scale: float | None, *, flips: int = 0, outcome: str = PASS, **fields: object
) -> ArtifactResult:
    empty = make_result().artifacts[2]
    timed = () if scale is None else (latency(scale=scale),)
    drift = _drift(flips=flips, outcome=outcome)
    row = dataclasses.replace(
        empty, name=name, format="onnx", size_bytes=round(mb * 1e6), drift=drift, latencies=timed, failures=()
    )
    return dataclasses.replace(row, **fields)  # type: ignore[arg-type]


def _result(*rows: ArtifactResult, budget: BudgetReport | None = None) -> BenchResult:
    keras = dataclasses.replace(make_result().artifacts[0], name="model.keras", format="keras", size_bytes=1)
    return dataclasses.replace(make_result(), reference="model.keras", artifacts=(keras, *rows), budget=budget)


def test_the_smallest_and_fastest_file_is_recommended_but_never_keras() -> None:
    found = recommend(_result(_row("a", 9.4, 2), _row("b", 3, 1)))
    assert found.artifacts == ("b",)
    assert found.sentence.startswith("Ship b (3.00 MB, p50 13.0 ms on cpu, 1 thread): no other file")


def test_a_small_and_a_fast_file_are_both_named_with_what_each_is_better_at() -> None:
    found = recommend(_result(_row("fast", 9.4, 1), _row("small", 3, 2)))
    assert found.artifacts == ("small", "fast")
    assert "small if size matters more (3.00 MB, p50 26.0 ms), or fast if speed matters more" in found.sentence


def test_equal_files_are_called_equal() -> None:
    found = recommend(_result(_row("a", 3, 1), _row("b", 3.1, 1.02)))
    assert found.artifacts == ("a", "b")
    assert found.sentence == (
        "Ship a or b: their sizes and p50 differ by less than 5 % on cpu, 1 thread, and each has no flips."
    )


def test_flips_decide_between_files_of_the_same_size_and_speed() -> None:
    budget = BudgetReport({"flips": 0.1}, (), ())
    found = recommend(_result(_row("a", 3, 1, flips=2), _row("b", 3.1, 1.02), budget=budget))
    assert found.artifacts == ("b",)
    assert "it has the fewest flips (0) of 2 equal files" in found.sentence


def test_a_file_with_more_flips_than_the_default_limit_is_never_recommended() -> None:
    found = recommend(_result(_row("a", 9, 2), _row("b", 3, 1, flips=1)))
    assert found.artifacts == ("a",)
    assert found.excluded == (Exclusion("b", f"1 of {FILMS} images flip; the limit is 0 (1 %)", passed=True),)


def test_the_limit_of_flips_is_the_budgets_where_it_has_one() -> None:
    rows = (_row("a", 9, 2), _row("b", 3, 1, flips=2), _row("c", 3, 1, flips=3))
    found = recommend(_result(*rows, budget=BudgetReport({"flips": 0.05}, ("b",), ())))
    assert found.artifacts == ("b",)
    assert [item.artifact for item in found.excluded] == ["c"]


def test_no_file_is_recommended_when_none_passes() -> None:
    broken = make_result().artifacts[2]
    found = recommend(_result(_row("a", 9, 2, outcome=FAIL), broken))
    assert found.artifacts == ()
    assert found.sentence == "Ship none of these files: none of them passes."
    assert [item.reason for item in found.excluded] == [f"verdict {FAIL}", "it failed"]


def test_a_file_that_misses_the_budget_or_fails_on_a_device_is_excluded() -> None:
    there = DeviceReport("pi-emulated:a72", "emulated", "a Pi", _drift(outcome=FAIL), None, None)
    budget = BudgetReport({"size_mb": 2}, ("a",), (Miss("a", "size_mb", "3.00 MB; the limit is 2 MB"),))
    found = recommend(_result(_row("a", 3, 1), _row("b", 3, 1, elsewhere=(there,)), budget=budget))
    assert [item.reason for item in found.excluded] == [
        "budget: 3.00 MB; the limit is 2 MB",
        f"verdict {FAIL} on pi-emulated:a72",
    ]


def test_size_decides_when_nothing_was_timed() -> None:
    keras_untimed = [
        dataclasses.replace(row, latencies=()) for row in _result(_row("a", 9, None), _row("b", 3, None)).artifacts
    ]
    found = recommend(dataclasses.replace(_result(), artifacts=tuple(keras_untimed)))
    assert found.sentence == "Ship b (3.00 MB): no other file that passes is more than 5 % smaller; nothing was timed."


def test_the_page_opens_with_what_to_ship_and_the_terminal_says_the_same() -> None:
    result = _result(_row("a", 9, 2), _row("b", 3, 1, flips=1))
    sentence = "Ship a (9.00 MB, p50 26.0 ms on cpu, 1 thread): it is the only file that passes."
    first = bench_page.render(result, {}).partition("<section>")[2].partition("</section>")[0]
    assert "<h2>Which artifact to ship</h2>" in first
    assert sentence in first
    assert "Do not ship <b>b</b>" in first
    assert "Warning: the machine was busy" in first
    assert sentence in report_files.summary(result)
