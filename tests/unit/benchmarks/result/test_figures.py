"""A figure is declared once: every form of the report shows what the declaration says, and nothing else names it."""

from __future__ import annotations

import csv
import io
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from cxr_edge.benchmarks.report import csv_table, junit, markdown_page, terminal_details
from cxr_edge.benchmarks.report.page import bench_page
from cxr_edge.benchmarks.result import drift_figures, estimate_figures, heatmap_figures, timing_figures
from cxr_edge.benchmarks.result.bench_result import BenchResult
from cxr_edge.benchmarks.result.device_result import LatencyReport
from cxr_edge.benchmarks.result.figures import Column, Figure, Table, as_page_table
from cxr_edge.benchmarks.result.predictions_source import Predictions, of_drift
from tests.support.benches import INT8, make_result

DECLARATIONS = (drift_figures, estimate_figures, heatmap_figures, timing_figures)


@pytest.fixture(scope="module")
def result() -> BenchResult:
    return make_result()


LOWEST_SCORE = Figure[Predictions, float](
    "lowest score",
    meaning="Lowest probability of all films",
    read=of_drift(lambda drift: min(drift.scores)),
    show="{:.6f}".format,
    csv=("lowest_score",),
)
SLOWEST_RUN = Figure[LatencyReport, float](
    "slowest",
    unit="ms",
    meaning="Time of the slowest run of all turns",
    read=lambda item: max(time for turn in item.times_ms for time in turn),
    show="{:.5f}".format,
    csv=("slowest_ms",),
)


def _declare(monkeypatch: pytest.MonkeyPatch, module: ModuleType, figure: Figure[Any, Any]) -> None:
    """Add the figure to the tables of a declaration, one for each form."""
    for name in ("TERMINAL", "MARKDOWN", "PAGE", "JUNIT", "CSV"):
        table: Table[Any] = getattr(module, name)
        column = as_page_table((figure,))[0] if name == "PAGE" else Column(figure, figure.head, 12)
        monkeypatch.setattr(module, name, (*table, column))


@pytest.mark.parametrize(("module", "figure"), [(drift_figures, LOWEST_SCORE), (timing_figures, SLOWEST_RUN)])
def test_a_new_figure_is_in_every_form(
    result: BenchResult, monkeypatch: pytest.MonkeyPatch, module: ModuleType, figure: Figure[Any, Any]
) -> None:
    row = next(item for item in result.artifacts if item.name == INT8)
    source = Predictions(row, row.drift) if module is drift_figures else row.latencies[0]
    shown = figure.text(source)
    forms = (
        terminal_details.details,
        markdown_page.to_markdown,
        lambda found: bench_page.render(found, {}),
        junit.to_junit,
    )
    assert not any(shown in form(result) for form in forms)

    _declare(monkeypatch, module, figure)

    assert f"  {figure.head}" in terminal_details.details(result)
    assert f"| {figure.head} |" in markdown_page.to_markdown(result)
    assert f'title="{figure.meaning}">{figure.head[0].upper()}{figure.head[1:]}</th>' in bench_page.render(result, {})
    assert all(shown in form(result) for form in forms)
    values = [item.get("name", "") + item.get("value", "") for item in _properties(result)]
    assert any(figure.title in value and shown in value for value in values)
    record = next(item for item in csv.DictReader(io.StringIO(csv_table.to_csv(result))) if item["artifact"] == INT8)
    assert float(record[figure.csv[0]]) == figure.read(source)


def _properties(result: BenchResult) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(junit.to_junit(result)).iter("property"))


def test_a_figure_of_predictions_has_columns_of_its_own_for_an_emulated_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_figures, "CSV", (Column(LOWEST_SCORE, "lowest score"),))

    head = csv_table.to_csv(make_result()).splitlines()[0].split(",")

    assert [name for name in head if "lowest" in name] == ["lowest_score", "emulated_lowest_score"]


@pytest.mark.parametrize("module", DECLARATIONS)
def test_every_figure_says_what_it_means(module: ModuleType) -> None:
    figures = {name: value for name, value in vars(module).items() if isinstance(value, Figure)}

    assert figures
    assert [name for name, figure in figures.items() if not (figure.head and figure.meaning)] == []


@pytest.mark.parametrize("module", DECLARATIONS)
def test_every_declared_figure_is_shown(module: ModuleType) -> None:
    """A figure that no table names is left over."""
    tables = [value for name, value in vars(module).items() if name in module.__all__]
    used = [column.figure for table in tables for column in table]
    figures = {name: value for name, value in vars(module).items() if isinstance(value, Figure)}

    assert [name for name, figure in figures.items() if not any(figure.meaning == one.meaning for one in used)] == []


def test_a_figure_that_is_not_known_leaves_its_columns_empty() -> None:
    broken = Predictions(make_result().artifacts[2], None)

    assert drift_figures.AUC.text(broken) == "failed"
    assert drift_figures.AUC.fields(broken) == {}
    assert drift_figures.BRIER.text(broken) == ""
