"""A bench result as JSON, as a table and as a page."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cxr_edge import RESEARCH_ONLY
from cxr_edge.benchmarks import page, report
from cxr_edge.benchmarks.machine import Machine
from cxr_edge.benchmarks.result import (
    ArtifactResult,
    BenchOptions,
    BenchResult,
    Change,
    DataFacts,
    DriftReport,
    LatencyReport,
    ModelFacts,
    SourceAuc,
)
from cxr_edge.errors import DataError
from cxr_edge.metrics import Interval

HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m"
SCORES = (0.9, 0.4, 0.6, 0.1)


def _drift(change: Change | None) -> DriftReport:
    within = {"hospital-a": SourceAuc(Interval(0.7, 0.6, 0.8), 2, 2)}
    return DriftReport(Interval(0.75, 0.5, 1.0), 0.75, 1.0, 0.5, within, change, SCORES)


def _latency(threads: int = 1, scale: float = 1.0) -> LatencyReport:
    times = tuple(tuple(scale * (10 + index % 7) for index in range(turn, turn + 25)) for turn in range(4))
    return LatencyReport(
        "cpu", "measured", threads, "ai-edge-litert 2.3.0", "XNNPACK", 100, 13 * scale, 16 * scale, 16 * scale,
        7.0, 80.0, 15.0, 74.0, 63.0, times,
    )  # fmt: skip


def _row(name: str, format: str, quantization: str, **fields: Any) -> ArtifactResult:
    empty = ArtifactResult(name, format, quantization, "0" * 64, 3_200_000, None, (), ())
    return dataclasses.replace(empty, **fields)


@pytest.fixture
def result() -> BenchResult:
    change = Change(Interval(-0.0001, -0.03, 0.02), 1, 0.25, 0.05)
    return BenchResult(
        version="0.1.0",
        started="2026-01-02T03:04:05+00:00",
        duration_s=12.5,
        model=ModelFacts("mine", "mobilenetv2", ("covid", "noncovid"), "covid", 0.5),
        data=DataFacts(
            "films", "test", "f" * 64, ("a", "b", "c", "d"), (True, False, True, False), ("hospital-a",) * 4
        ),
        options=BenchOptions(threads=(1, 2)),
        machine=Machine(
            "AMD EPYC", ("avx2",), "x86_64", 2, 2, 8192, None, None, "Linux 6.1", "3.11.2", {"numpy": "2.4.6"}
        ),
        reference="model.keras",
        artifacts=(
            _row("model.keras", "keras", "none", drift=_drift(None), latencies=(_latency(scale=10),)),
            _row("model_int8.tflite", "tflite", "int8", drift=_drift(change), latencies=(_latency(), _latency(2, 0.6))),
            _row("model_int8.onnx", "onnx", "int8", failures=("model_int8.onnx: its process was killed by SIGSEGV",)),
        ),
        warnings=("the machine was busy",),
    )


def _rename(result: BenchResult, name: str) -> BenchResult:
    rows = tuple(dataclasses.replace(row, name=f"{row.name}{name}", failures=(name,)) for row in result.artifacts)
    return dataclasses.replace(
        result,
        reference=rows[0].name,
        artifacts=rows,
        warnings=(name,),
        model=dataclasses.replace(result.model, name=name, architecture=name, positive=name),
        data=dataclasses.replace(result.data, name=name, sources=(name,) * 4, films=(name,) * 4),
        machine=dataclasses.replace(result.machine, cpu_model=name, board=name, libraries={name: name}),
    )


class _Page(HTMLParser):
    """Collects what a browser would see: tags, attributes and text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.shown = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((name, value or "") for name, value in attrs)

    def handle_data(self, data: str) -> None:
        self.shown += data


def test_result_survives_json(result: BenchResult) -> None:
    assert BenchResult.from_json(json.loads(json.dumps(result.to_json())), where="bench.json") == result


def test_json_says_its_schema_and_the_purpose(result: BenchResult) -> None:
    value = result.to_json()
    assert (value["schema"], value["research_only"]) == (1, RESEARCH_ONLY)


def test_from_json_refuses_another_schema(result: BenchResult) -> None:
    with pytest.raises(DataError, match=r"old\.json: schema 99 is not 1"):
        BenchResult.from_json(result.to_json() | {"schema": 99}, where="old.json")


@pytest.mark.parametrize("value", [None, [], "text", {}])
def test_from_json_refuses_what_is_no_result(value: Any) -> None:
    with pytest.raises(DataError, match=r"x\.json"):
        BenchResult.from_json(value, where="x.json")


@pytest.mark.parametrize(("key", "value"), [("reference", 3), ("duration_s", True), ("artifacts", {}), ("model", {})])
def test_from_json_names_the_field_at_fault(result: BenchResult, key: str, value: Any) -> None:
    with pytest.raises(DataError, match=f"x.json: {key}"):
        BenchResult.from_json(json.loads(json.dumps(result.to_json() | {key: value})), where="x.json")


def test_write_leaves_json_and_html_that_read_back(result: BenchResult, tmp_path: Path) -> None:
    written = report.write(result, tmp_path / "new")
    assert [path.name for path in written] == ["bench.json", "bench.html"]
    assert report.read(written[0]) == result


def test_table_fits_120_columns_with_long_names_and_slow_artifacts(result: BenchResult) -> None:
    slow = dataclasses.replace(
        result.artifacts[1], name="m" * 100, size_bytes=500_000_000, latencies=(_latency(scale=100),)
    )
    wide = dataclasses.replace(result, artifacts=(*result.artifacts, slow), warnings=("long " * 60,))
    assert max(len(line) for line in report.table(wide).splitlines()) <= 120


def test_table_ends_with_the_research_only_line(result: BenchResult) -> None:
    assert report.table(result).splitlines()[-1] == RESEARCH_ONLY


def test_table_shows_drift_latency_and_memory_of_an_artifact(result: BenchResult) -> None:
    line = next(line for line in report.table(result).splitlines() if line.startswith("model_int8.tflite"))
    wanted = "model_int8.tflite 3.20 0.750 [0.500, 1.000] +0.000 [-0.030, +0.020] 1/4 0.2500 13.0 / 16.0 / 16.0 74"
    assert " ".join(line.split()) == wanted


def test_table_has_a_row_for_every_thread_count(result: BenchResult) -> None:
    assert any(line.startswith("  2 threads") and "7.80" in line for line in report.table(result).splitlines())


def test_table_gives_a_failed_artifact_its_reason(result: BenchResult) -> None:
    lines = report.table(result).splitlines()
    row = next(index for index, line in enumerate(lines) if line.startswith("model_int8.onnx"))
    assert "failed" in lines[row]
    assert "SIGSEGV" in lines[row + 1]


def test_table_says_what_ran_and_the_auc_within_a_source(result: BenchResult) -> None:
    shown = " ".join(report.table(result).split())
    assert "AMD EPYC, 2 of 2 cores" in shown
    assert "AUC within a source (model.keras): hospital-a 0.700 [0.600, 0.800] (2 + 2 films)" in shown
    assert "warning: the machine was busy" in shown


def test_table_obeys_no_control_character_of_a_name(result: BenchResult) -> None:
    assert "\x1b" not in report.table(_rename(result, HOSTILE))


def test_page_shows_hostile_names_as_text(result: BenchResult) -> None:
    seen = _Page(page.render(_rename(result, HOSTILE)))
    assert "script" not in seen.tags
    assert seen.shown.count("<script>alert(1)</script>") > 10


def test_page_loads_nothing(result: BenchResult) -> None:
    seen = _Page(page.render(result))
    assert not {"link", "script", "img", "iframe", "object", "use"} & set(seen.tags)
    assert not [name for name, _ in seen.attributes if name in ("src", "href") or name.startswith("on")]
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in seen.attributes


def test_page_has_all_plots_and_says_it_is_for_research_only(result: BenchResult) -> None:
    seen = _Page(page.render(result))
    assert [value for name, value in seen.attributes if name == "aria-label"] == [
        "ROC curves of all artifacts",
        "Distribution of latencies of each artifact",
        "AUC against ms at p90, logarithmic",
        "AUC against MB of file, logarithmic",
    ]
    assert seen.shown.count(RESEARCH_ONLY) == 2


def test_page_stands_when_nothing_was_timed(result: BenchResult) -> None:
    rows = tuple(dataclasses.replace(row, latencies=()) for row in result.artifacts)
    assert "Nothing was timed." in page.render(dataclasses.replace(result, artifacts=rows))


@pytest.mark.parametrize(("value", "shown"), [(0.1234, "0.12"), (9.999, "10.0"), (12.34, "12.3"), (1234.5, "1234")])
def test_format_number_keeps_three_digits(value: float, shown: str) -> None:
    assert page.format_number(value) == shown


def test_format_interval_has_no_negative_zero() -> None:
    assert page.format_interval(Interval(-0.0001, -0.0004, 0.0001), sign="+") == "+0.000 [+0.000, +0.000]"
