"""A bench result as JSON, as a table, as a page, and in the forms that other programs read."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cxr_edge.benchmarks.drift import gallery
from cxr_edge.benchmarks.report import csv_table, junit, markdown_page, report_files
from cxr_edge.benchmarks.report.page import bench_page, drift_plots
from cxr_edge.benchmarks.result import phrases
from cxr_edge.benchmarks.result.bench_result import BenchResult, BudgetReport, Miss
from cxr_edge.data.dataset import open_dataset
from cxr_edge.errors import DataError
from cxr_edge.metrics.intervals import Interval
from cxr_edge.system.about import RESEARCH_ONLY
from tests.support.benches import BROKEN, FILMS, HOSTILE, INT8, latency, make_result, rename, with_devices


@pytest.fixture
def result() -> BenchResult:
    return make_result()


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
    assert (value["schema"], value["research_only"]) == (2, RESEARCH_ONLY)


def test_from_json_refuses_another_schema(result: BenchResult) -> None:
    with pytest.raises(DataError, match=r"old\.json: schema 99 is not 2"):
        BenchResult.from_json(result.to_json() | {"schema": 99}, where="old.json")


@pytest.mark.parametrize("value", [None, [], "text", {}])
def test_from_json_refuses_what_is_no_result(value: Any) -> None:
    with pytest.raises(DataError, match=r"x\.json"):
        BenchResult.from_json(value, where="x.json")


@pytest.mark.parametrize(("key", "value"), [("reference", 3), ("duration_s", True), ("artifacts", {}), ("model", {})])
def test_from_json_names_the_field_at_fault(result: BenchResult, key: str, value: Any) -> None:
    with pytest.raises(DataError, match=f"x.json: {key}"):
        BenchResult.from_json(json.loads(json.dumps(result.to_json() | {key: value})), where="x.json")


def test_from_json_refuses_lists_of_films_that_differ_in_length(result: BenchResult) -> None:
    value = json.loads(json.dumps(result.to_json()))
    value["artifacts"][1]["drift"]["scores"].pop()
    with pytest.raises(DataError, match=r"x\.json: must be of 40 films in every list"):
        BenchResult.from_json(value, where="x.json")


def test_write_leaves_every_form_and_json_reads_back(result: BenchResult, tmp_path: Path) -> None:
    written = report_files.write(result, tmp_path / "new")
    assert [path.name for path in written] == ["bench.json", "bench.html", "bench.csv", "bench.md", "bench.xml"]
    assert all(path.stat().st_size for path in written)
    assert report_files.read(written[0]) == report_files.read(tmp_path / "new") == result


def test_details_fits_120_columns_with_long_names_and_slow_artifacts(result: BenchResult) -> None:
    slow = dataclasses.replace(
        result.artifacts[1], name="m" * 100, size_bytes=500_000_000, latencies=(latency(scale=100),)
    )
    wide = dataclasses.replace(result, artifacts=(*result.artifacts, slow), warnings=("long " * 60,))
    assert max(len(line) for line in report_files.details(wide).splitlines()) <= 120


def test_details_ends_with_the_research_only_line(result: BenchResult) -> None:
    assert report_files.details(result).splitlines()[-1] == RESEARCH_ONLY


def test_details_shows_drift_latency_and_memory_of_an_artifact(result: BenchResult) -> None:
    drift = result.artifacts[1].drift
    assert drift is not None
    assert drift.change is not None
    shown = [line.split() for line in report_files.details(result).splitlines() if line.startswith(INT8)]
    auc, change = phrases.format_interval(drift.auc), phrases.format_interval(drift.change.auc, sign="+")
    flips = f"{drift.change.flips.count}/{FILMS}"
    assert shown[0] == [
        INT8,
        "3.20",
        *auc.split(),
        *change.split(),
        flips,
        "not",
        "enough",
        "images",
    ]
    assert f"{drift.brier:.3f}" in shown[1]
    assert shown[2] == [INT8, "cpu", "1", "13.0", "/", "16.0", "/", "16.0", "74", "100"]


def test_details_gives_the_verdict_its_reason_and_the_images_it_needs(result: BenchResult) -> None:
    shown = " ".join(report_files.details(result).split())
    assert f"{INT8}: not enough images: AUC changes by" in shown
    assert "images with the same class balance (50% positive) would decide; 40 were used" in shown
    assert "heat maps of model_int8.tflite: hottest cell on the lesion in 1.000" in shown


def test_details_has_a_row_for_every_thread_count(result: BenchResult) -> None:
    assert any(line.split()[:4] == [INT8, "cpu", "2", "7.80"] for line in report_files.details(result).splitlines())


def test_details_gives_a_failed_artifact_its_reason(result: BenchResult) -> None:
    lines = report_files.details(result).splitlines()
    row = next(index for index, line in enumerate(lines) if line.startswith("model_int8.onnx"))
    assert "failed" in lines[row]
    assert "SIGSEGV" in lines[row + 1]


def test_details_says_what_ran_and_the_auc_within_a_source(result: BenchResult) -> None:
    shown = " ".join(report_files.details(result).split())
    assert "AMD EPYC, 2 of 2 cores" in shown
    assert "AUC within a source (model_float32.tflite): hospital-a" in shown
    assert "(10 + 10 images), hospital-b" in shown
    assert "warning: the machine was busy" in shown


def test_details_obeys_no_control_character_of_a_name(result: BenchResult) -> None:
    assert "\x1b" not in report_files.details(rename(result, HOSTILE))


def test_page_shows_hostile_names_as_text(result: BenchResult) -> None:
    seen = _Page(bench_page.render(rename(result, HOSTILE), {}))
    assert "script" not in seen.tags
    assert seen.shown.count("<script>alert(1)</script>") > 10


def test_page_loads_nothing(result: BenchResult) -> None:
    seen = _Page(bench_page.render(result, {}))
    assert not {"link", "script", "iframe", "object", "use"} & set(seen.tags)
    assert not [name for name, _ in seen.attributes if name == "href" or name.startswith("on")]
    assert all(value.startswith("data:image/jpeg;base64,") for name, value in seen.attributes if name == "src")
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in seen.attributes


def test_page_has_all_plots_and_says_it_is_for_research_only(result: BenchResult) -> None:
    seen = _Page(bench_page.render(result, {}))
    assert [value for name, value in seen.attributes if name == "aria-label" and value != "Scores from 0 to 1"] == [
        "Change of AUC of each artifact against the margin",
        "ROC curves of all artifacts",
        "Distribution of latencies of each artifact",
        "AUC against ms at p90, logarithmic",
        "AUC against MB of file, logarithmic",
    ]
    assert seen.shown.count(RESEARCH_ONLY) == 2


def test_page_shows_the_gallery_with_the_films_and_the_maps_over_them() -> None:
    films = open_dataset("phantom").select(split="test")
    result = make_result()
    ids = tuple(item.item_id for item in films.items[:FILMS])
    named = dict(zip(result.data.films, ids, strict=True))
    shown = tuple(dataclasses.replace(entry, film=named[entry.film]) for entry in result.gallery[:2])
    result = dataclasses.replace(result, gallery=shown, data=dataclasses.replace(result.data, films=ids))
    seen = _Page(bench_page.render(result, gallery.draw(shown, films)))
    # The film, and the maps of the two artifacts that have one.
    assert seen.tags.count("img") == 6
    assert "This page holds images of the data set. Share it only if their licences allow this." in seen.shown


def test_page_without_pictures_keeps_the_scores_of_the_gallery(result: BenchResult) -> None:
    seen = _Page(bench_page.render(result, {}))
    assert "img" not in seen.tags
    assert seen.tags.count("article") == len(result.gallery)
    assert "This page holds images" not in seen.shown


def test_page_and_table_say_when_every_source_has_one_class_only(result: BenchResult) -> None:
    sources = tuple("clinic" if positive else "archive" for positive in result.data.positive)
    drift = result.artifacts[0].drift
    assert drift is not None
    both = drift.sources["hospital-a"]
    single = {
        "archive": dataclasses.replace(both, positive_films=0, auc=None, change=None, sensitivity=None),
        "clinic": dataclasses.replace(both, negative_films=0, auc=None, change=None, specificity=None),
    }
    rows = tuple(
        row if row.drift is None else dataclasses.replace(row, drift=dataclasses.replace(row.drift, sources=single))
        for row in result.artifacts
    )
    changed = dataclasses.replace(result, artifacts=rows, data=dataclasses.replace(result.data, sources=sources))
    wanted = "archive, clinic hold one class only"
    assert wanted in _Page(bench_page.render(changed, {})).shown
    assert wanted in " ".join(report_files.details(changed).split())


def test_page_shows_a_missed_budget_and_each_miss(result: BenchResult) -> None:
    budget = BudgetReport({"p90_ms": 5.0}, (INT8,), (Miss(INT8, "p90_ms", "p90 16 ms; the limit is 5 ms"),))
    shown = _Page(bench_page.render(dataclasses.replace(result, budget=budget), {})).shown
    assert "Budget (p90_ms 5) missed." in shown
    assert f"{INT8}: p90 16 ms; the limit is 5 ms" in shown


def test_page_draws_a_perfect_classifier_in_the_corner_that_matters(result: BenchResult) -> None:
    scores = tuple(0.9 if positive else 0.1 for positive in result.data.positive)
    drift = result.artifacts[0].drift
    assert drift is not None
    perfect = dataclasses.replace(drift, scores=scores, sensitivity=1.0, specificity=1.0)
    row = dataclasses.replace(result.artifacts[0], drift=perfect)
    drawn = drift_plots.draw_roc(dataclasses.replace(result, artifacts=(row,)))
    assert ">0.96<" in drawn
    assert ">0.2<" not in drawn


def test_page_stands_when_nothing_was_timed(result: BenchResult) -> None:
    rows = tuple(dataclasses.replace(row, latencies=()) for row in result.artifacts)
    assert "Nothing was timed." in bench_page.render(dataclasses.replace(result, artifacts=rows), {})


@pytest.mark.parametrize(("value", "shown"), [(0.1234, "0.12"), (9.999, "10.0"), (12.34, "12.3"), (1234.5, "1234")])
def test_format_number_keeps_three_digits(value: float, shown: str) -> None:
    assert phrases.format_number(value) == shown


def test_format_interval_has_no_negative_zero() -> None:
    assert phrases.format_interval(Interval(-0.0001, -0.0004, 0.0001), sign="+") == "+0.000 [+0.000, +0.000]"


def test_csv_has_a_record_for_every_artifact_and_thread_count(result: BenchResult) -> None:
    records = list(csv.DictReader(io.StringIO(csv_table.to_csv(result))))
    assert [(record["artifact"], record["threads"]) for record in records] == [
        ("model_float32.tflite", "1"),
        (INT8, "1"),
        (INT8, "2"),
        (BROKEN, ""),
    ]
    drift = result.artifacts[1].drift
    assert drift is not None
    assert float(records[1]["auc"]) == drift.auc.value
    assert (records[1]["verdict"], records[2]["p50_ms"]) == ("not enough images", str(13 * 0.6))
    assert "SIGSEGV" in records[3]["failures"]


def test_csv_keeps_a_spreadsheet_from_running_a_name(result: BenchResult) -> None:
    rows = (dataclasses.replace(result.artifacts[0], name="=1+1"),)
    records = list(csv.DictReader(io.StringIO(csv_table.to_csv(dataclasses.replace(result, artifacts=rows)))))
    assert records[0]["artifact"] == "'=1+1"


def test_markdown_has_a_row_for_every_artifact_and_the_research_only_line(result: BenchResult) -> None:
    shown = markdown_page.to_markdown(result)
    assert f"**{RESEARCH_ONLY}**" in shown
    assert "| model\\_int8.tflite | 3.20 |" in shown
    assert "## Latency and memory, measured" in shown
    assert "- failed: model\\_int8.onnx: its process was killed by SIGSEGV" in shown


def test_markdown_shows_hostile_names_as_text(result: BenchResult) -> None:
    shown = markdown_page.to_markdown(rename(result, HOSTILE + "| `x` \n# y"))
    assert "<script" not in shown.replace("\\<script", "")
    assert "\n# y" not in shown
    heads = [line for line in shown.splitlines() if line.startswith("| model")]
    assert {line.replace("\\|", "").count("|") for line in heads} <= {10, 11}


def _cases(result: BenchResult, name: str) -> dict[str, list[str]]:
    """Return the outcomes of an artifact's cases: none is a pass."""
    root = ElementTree.fromstring(junit.to_junit(result))
    return {
        str(case.get("name")): [outcome.tag for outcome in case]
        for case in root.iter("testcase")
        if case.get("classname") == name
    }


def test_junit_tells_a_crash_from_a_verdict_that_is_open(result: BenchResult) -> None:
    assert _cases(result, BROKEN) == {"runs": ["error"]}
    assert _cases(result, INT8) == {"runs": [], "AUC not inferior by 0.01": ["skipped"]}


def test_junit_has_a_case_for_every_limit_of_the_budget(result: BenchResult) -> None:
    budget = BudgetReport(
        {"p90_ms": 5.0, "size_mb": 4.0}, (INT8,), (Miss(INT8, "p90_ms", "p90 16 ms; the limit is 5 ms"),)
    )
    cases = _cases(dataclasses.replace(result, budget=budget), INT8)
    assert cases["budget: p90_ms 5"] == ["failure"]
    assert cases["budget: size_mb 4"] == []


def test_junit_counts_its_cases_and_stands_hostile_names(result: BenchResult) -> None:
    root = ElementTree.fromstring(junit.to_junit(rename(result, HOSTILE)))
    assert root.get("tests") == str(sum(int(suite.get("tests", 0)) for suite in root))
    assert root.get("errors") == "3"
    assert {item.get("name") for item in root.iter("property")} == {
        *("research_only", "films", "measured ms on cpu, 1 thread", "measured ms on cpu, 2 threads"),
    }


def test_no_table_or_plot_mixes_what_was_measured_with_what_was_not(result: BenchResult) -> None:
    estimated = dataclasses.replace(latency(scale=50), kind="estimated", device="pi-estimate:pi4")
    row = dataclasses.replace(result.artifacts[1], latencies=(latency(), estimated))
    mixed = dataclasses.replace(result, artifacts=(result.artifacts[0], row))
    # Reports take every latency as measured, so a result that says otherwise is no result.
    with pytest.raises(DataError, match="measured in every one of 'latencies'"):
        BenchResult.from_json(json.loads(json.dumps(mixed.to_json())), where="bench.json")


def test_docs_name_every_key_of_the_schema(result: BenchResult) -> None:
    described = (Path(__file__).parents[4] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    described = described.partition("## bench.json")[2].partition("## Sources")[0]
    named = dict.fromkeys(key for key in _keys(with_devices(result).to_json()) if f"`{key}`" not in described)
    assert list(named) == []


def _keys(value: Any) -> Iterator[str]:
    """Yield the keys of an object at any depth, but for those that are names of the user's."""
    if isinstance(value, dict):
        for key, inner in value.items():
            # An interval is explained once.
            yield from () if value.keys() == {"value", "low", "high"} else (key,)
            if key not in ("heatmaps", "libraries", "limits"):
                yield from _keys(list(inner.values()) if key == "sources" and isinstance(inner, dict) else inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _keys(inner)
