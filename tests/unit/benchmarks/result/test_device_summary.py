"""Devices and conditions in every form of the report: what is shown, and that no kind of figure mixes with another."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from xml.etree import ElementTree

import pytest

from cxr_edge.benchmarks.report import csv_table, junit, markdown_page, report_files
from cxr_edge.benchmarks.report.page import bench_page, plots
from cxr_edge.benchmarks.result import device_summary
from cxr_edge.benchmarks.result.bench_result import BenchResult
from cxr_edge.benchmarks.result.device_result import Condition
from cxr_edge.benchmarks.result.predictions_source import Predictions, find_gap
from cxr_edge.errors import DataError
from tests.support.benches import FLOAT, HOSTILE, INT8, make_result, rename, with_devices


@pytest.fixture
def result() -> BenchResult:
    return with_devices(make_result())


def _sections(markup: str) -> dict[str, str]:
    """Return the page's sections by their headings, each without its tags."""
    found = re.findall(r"<section><h2>(.*?)</h2>(.*?)</section>", markup, re.DOTALL)
    return {head: re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)) for head, body in found}


def test_result_with_devices_survives_json(result: BenchResult) -> None:
    assert BenchResult.from_json(json.loads(json.dumps(result.to_json())), where="bench.json") == result


def test_from_json_refuses_answers_of_a_device_for_other_films(result: BenchResult) -> None:
    value = json.loads(json.dumps(result.to_json()))
    value["artifacts"][1]["elsewhere"][0]["drift"]["scores"].pop()
    with pytest.raises(DataError, match="of 40 films in every list"):
        BenchResult.from_json(value, where="x.json")


def test_group_has_a_place_for_each_device_in_the_order_asked_for(result: BenchResult) -> None:
    found = device_summary.group(result)
    assert [(place.device, place.kind) for place in found] == [
        ("pi-emulated:a72", "emulated"),
        ("pi-estimate:pi4", "estimated"),
        ("gpu:webgpu", "measured"),
    ]


def test_explain_gives_each_reason_once_and_names_whom_it_is_for(result: BenchResult) -> None:
    emulated, _, gpu = device_summary.group(result)
    doubled = dataclasses.replace(gpu, rows=(*gpu.rows, (result.artifacts[0], gpu.rows[0][1])))
    assert device_summary.explain(emulated) == ["no latency: an emulator's time"]
    assert device_summary.explain(doubled) == [f"no result for {INT8}, {FLOAT}: has no int8 arithmetic"]


def test_find_gap_is_the_largest_difference_from_the_same_file_here(result: BenchResult) -> None:
    emulated, estimated, _ = device_summary.group(result)
    row, found = emulated.rows[0]
    assert find_gap(Predictions(row, found.drift)) == pytest.approx(0.25)
    assert find_gap(Predictions(estimated.rows[0][0], estimated.rows[0][1].drift)) is None


def test_observe_gives_ranges_and_tells_no_throttling_from_nothing_told() -> None:
    calm = Condition((0, 1), "performance", 1500.0, 50.0, ())
    hot = dataclasses.replace(calm, governor="ondemand", frequency_mhz=600.4, temperature_c=81.6, throttled=("capped",))
    assert device_summary.observe([calm]).throttling == "none"
    assert dataclasses.astuple(device_summary.observe([calm, hot])) == (
        *("0, 1", "performance, ondemand", "600 to 1500", "50 to 82", "capped"),
    )
    blind = Condition(None, None, None, None, None)
    assert set(dataclasses.astuple(device_summary.observe([blind]))) == {device_summary.UNKNOWN}


def test_page_has_a_section_for_each_kind_of_figure(result: BenchResult) -> None:
    shown = _sections(bench_page.render(result, {}))
    assert "about" not in shown["Latency and memory, measured"]
    assert "21.5 17.0 to 31.0 a table" in shown["pi-estimate:pi4, estimated"]
    assert "0.25" in shown["pi-emulated:a72, emulated"]
    assert "No latency: an emulator's time" in shown["pi-emulated:a72, emulated"].replace("&#x27;", "'")
    assert f"No result for {INT8}: has no int8 arithmetic." in shown["gpu:webgpu, measured"]
    assert [head for head, body in shown.items() if "21.5" in body] == ["pi-estimate:pi4, estimated"]


def test_page_shows_intervals_throughput_coverage_and_conditions(result: BenchResult) -> None:
    shown = _sections(bench_page.render(result, {}))["Latency and memory, measured"]
    p50 = result.artifacts[1].latencies[0].p50
    assert f"{p50.value:.1f} [{p50.low:.1f}, {p50.high:.1f}]" in shown
    assert "196 at 8" in shown
    assert "XNNPACK 89% 0, 1 performance 1500 to 1800 61 throttled" in shown


def test_page_draws_the_interval_of_the_p90_as_the_error_bar(result: BenchResult) -> None:
    wide = _bar_width(bench_page.render(result, {}))
    timed = result.artifacts[1].latencies[0]
    narrow = dataclasses.replace(timed, p90=dataclasses.replace(timed.p90, low=timed.p90.value, high=timed.p90.value))
    rows = (result.artifacts[0], dataclasses.replace(result.artifacts[1], latencies=(narrow,)))
    assert wide > 1
    assert _bar_width(bench_page.render(dataclasses.replace(result, artifacts=rows), {})) == pytest.approx(0)


def _bar_width(markup: str) -> float:
    """Return how wide the error bar of int8 is in the plot of AUC against latency."""
    plot = markup[markup.index("AUC against ms at p90") :].partition("</svg>")[0]
    point = next(part for part in plot.split("<g>") if f"<title>{INT8}" in part)
    across = re.search(r'<line y1="[\d.]+" y2="[\d.]+" class="bar[^"]*" x1="([\d.]+)" x2="([\d.]+)"', point)
    assert across is not None
    return float(across[2]) - float(across[1])


def test_plot_of_latencies_holds_what_was_measured_alone(result: BenchResult) -> None:
    assert "pi-" not in plots.draw_latency(result)


def test_csv_keeps_emulated_and_estimated_figures_out_of_the_measured_columns(result: BenchResult) -> None:
    records = [row for row in csv.DictReader(io.StringIO(csv_table.to_csv(result))) if row["artifact"] == INT8]
    kinds = [(record["device"], record["kind"], record["threads"]) for record in records]
    assert kinds == [
        ("cpu", "measured", "1"),
        ("cpu", "measured", "2"),
        ("pi-emulated:a72", "emulated", ""),
        ("pi-estimate:pi4", "estimated", ""),
        ("gpu:webgpu", "measured", ""),
    ]
    for record in records[2:]:
        assert record["p50_ms"] == record["auc"] == ""
    assert float(records[2]["emulated_auc"]) == pytest.approx(float(records[0]["auc"]))
    assert (records[3]["estimated_p50_ms"], records[3]["estimated_source"]) == ("21.5", "a table")
    assert records[4]["withheld"] == "has no int8 arithmetic"


def test_csv_has_the_drift_of_the_device_that_was_timed(result: BenchResult) -> None:
    row = result.artifacts[1]
    assert row.drift is not None
    there = dataclasses.replace(row.elsewhere[0], device="gpu:webgpu", kind="measured", withheld=None)
    assert there.drift is not None
    there = dataclasses.replace(there, drift=dataclasses.replace(there.drift, accuracy=0.125))
    timed = tuple(dataclasses.replace(row.latencies[0], device=device) for device in ("cpu", "gpu:webgpu"))
    changed = dataclasses.replace(row, latencies=timed, elsewhere=(there,))
    found = csv.DictReader(io.StringIO(csv_table.to_csv(dataclasses.replace(result, artifacts=(changed,)))))
    assert [(record["device"], record["accuracy"]) for record in found] == [
        ("cpu", str(row.drift.accuracy)),
        ("gpu:webgpu", "0.125"),
    ]


def test_csv_has_intervals_and_conditions(result: BenchResult) -> None:
    record = next(item for item in csv.DictReader(io.StringIO(csv_table.to_csv(result))) if item["artifact"] == INT8)
    p99 = result.artifacts[1].latencies[0].p99
    assert (float(record["p99_low_ms"]), float(record["p99_high_ms"])) == (p99.low, p99.high)
    assert (record["clock_mhz"], record["throttling"], record["coverage"], record["films_per_s"]) == (
        *("1500 to 1800", "throttled", "0.89", "196.0"),
    )


def test_markdown_has_a_table_for_each_device(result: BenchResult) -> None:
    shown = markdown_page.to_markdown(result)
    estimated = shown.partition("## pi-estimate:pi4, estimated")[2].partition("##")[0]
    assert "| model\\_int8.tflite | 21.5 | 17.0 | 31.0 | a table |" in estimated
    assert shown.count("21.5") == 1
    assert "- no latency: an emulator's time" in shown.partition("## pi-emulated:a72, emulated")[2]
    assert "XNNPACK, 89% of the operations | 0, 1 | performance | 1500 to 1800 | 61 | throttled |" in shown


def test_junit_tells_the_verdict_on_a_device_and_skips_what_it_refuses(result: BenchResult) -> None:
    root = ElementTree.fromstring(junit.to_junit(result))
    cases = {case.get("name"): [part.tag for part in case] for case in root.iter("testcase")}
    assert cases["AUC not inferior by 0.01 on pi-emulated:a72 (emulated)"] == ["skipped"]
    assert cases["runs on gpu:webgpu (measured)"] == ["skipped"]
    facts = {item.get("name"): item.get("value") for item in root.iter("property")}
    assert facts["estimated ms on pi-estimate:pi4"] == "about 21.5 ms, between 17.0 and 31.0 (a table)"
    assert "images/s 196 at 8; ai-edge-litert 2.3.0: XNNPACK, 89%" in (facts["measured ms on cpu, 1 thread"] or "")


def test_table_has_a_block_for_each_device_and_fits_120_columns(result: BenchResult) -> None:
    lines = report_files.details(result).splitlines()
    assert max(map(len, lines)) <= 120
    at = lines.index("pi-estimate:pi4 (estimated): Raspberry Pi 4")
    assert lines[at + 1] == f"  {INT8}: about 21.5 ms, between 17.0 and 31.0 (a table)"
    shown = " ".join(" ".join(lines).split())
    assert "differ from the same file's here by 0.25 at most no latency: an emulator's time" in shown
    assert "state of cpu while timing: cores 0, 1, governor performance, MHz 1500 to 1800, °C 61, throttling" in shown


def test_no_form_obeys_a_hostile_name_of_a_device(result: BenchResult) -> None:
    hostile = rename(result, HOSTILE)
    assert "<script" not in bench_page.render(hostile, {})
    assert "<script" not in markdown_page.to_markdown(hostile).replace("\\<script", "")
    assert "\x1b" not in report_files.details(hostile)
    ElementTree.fromstring(junit.to_junit(hostile))
