"""The first section of the page: which artifact to ship and why, the verdicts, the main figures, and the warnings."""

from __future__ import annotations

from collections.abc import Iterator

from cxr_edge.benchmarks.report import recommendation
from cxr_edge.benchmarks.report.page import marks
from cxr_edge.benchmarks.report.recommendation import Recommendation
from cxr_edge.benchmarks.report.text_table import shorten_name
from cxr_edge.benchmarks.result import drift_figures, phrases, timing_figures
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_result import LatencyReport
from cxr_edge.benchmarks.result.drift_result import FAIL, PASS
from cxr_edge.benchmarks.result.predictions_source import Predictions
from cxr_edge.report.html import lay_out, note, section
from cxr_edge.report.svg import element, text

__all__ = ["show_summary"]


def show_summary(result: BenchResult) -> str:
    """Return the section: the recommendation, a row an artifact, the verdicts in a line each, budget and warnings."""
    found = recommendation.recommend(result)
    return section(
        "Which artifact to ship",
        element("p", text(found.sentence), class_="ship"),
        _list_excluded(found),
        _lay_out_table(result),
        _list_verdicts(result),
        _describe_budget(result),
        _list_warnings(result),
        note(_explain(result)),
    )


def _explain(result: BenchResult) -> str:
    stated = result.budget is not None and "flips" in result.budget.limits
    limit = f"{100 * recommendation.flip_limit(result):g} %"
    source = "the limit of the budget" if stated else "the default limit of export"
    return (
        f"A file may be shipped when its verdict is {PASS} and at most {limit} of the images flip ({source}). Of these "
        "files, size and p50 on this machine decide; a difference below 5 % does not count. "
        f"{phrases.explain_comparison(result)}"
    )


def _list_excluded(found: Recommendation) -> str:
    """Return why a file is not shipped although its verdict is a pass; the verdicts below explain the others."""
    reasons = [
        element("li", text("Do not ship "), element("b", text(item.artifact)), text(f": {item.reason}."))
        for item in found.excluded
        if item.passed
    ]
    return element("ul", *reasons, class_="failures") if reasons else ""


def _lay_out_table(result: BenchResult) -> str:
    """Return the table, with a column of times for each device and thread count."""
    places = recommendation.list_places(result)
    time, memory = timing_figures.SUMMARY
    drift = drift_figures.PAGE_SUMMARY
    titles = ["Artifact", *(column.title for column in drift)]
    hints = ["", *(column.figure.meaning for column in drift)]
    for place in places:
        titles.append(time.title if len(places) == 1 else f"{time.title}, {_name_place(place)}")
        hints.append(f"{time.figure.meaning}, on {phrases.name_threads(*place)}")
    titles.append(memory.title)
    hints.append(memory.figure.meaning)
    rows = []
    for row in result.artifacts:
        source = Predictions(row, row.drift)
        shown = [*(marks.cell(column, source) for column in drift), *_time_cells(row, places)]
        rows.append((marks.swatch(row) + text(row.name), shown))
    return lay_out(titles, rows, hints=hints)


def _name_place(place: recommendation.Place) -> str:
    device, threads = place
    return phrases.name_threads(shorten_name(device, 20), threads)


def _time_cells(row: ArtifactResult, places: list[recommendation.Place]) -> Iterator[str]:
    time, memory = timing_figures.SUMMARY
    timed: dict[recommendation.Place, LatencyReport] = {(item.device, item.threads): item for item in row.latencies}
    for place in places:
        yield marks.cell(time, timed[place]) if place in timed else ""
    yield marks.cell(memory, timed[places[0]]) if places and places[0] in timed else ""


def _list_verdicts(result: BenchResult) -> str:
    lines = []
    for row in result.artifacts:
        change = None if row.drift is None else row.drift.change
        if change is not None:
            line = phrases.summarise_verdict(change).removeprefix(f"{change.verdict.outcome}: ")
            badge = marks.badge(change.verdict.outcome)
            lines.append(element("li", badge, " ", element("b", text(row.name)), text(f": {line}")))
        elif row.drift is None:
            reason = text(f": {phrases.describe_failure(row)}")
            lines.append(element("li", marks.badge("failed"), " ", element("b", text(row.name)), reason))
    return element("ul", *lines, class_="reasons") if lines else ""


def _describe_budget(result: BenchResult) -> str:
    if result.budget is None:
        return ""
    limits = ", ".join(f"{name} {limit:g}" for name, limit in result.budget.limits.items())
    held = ", ".join(result.budget.artifacts)
    if not result.budget.misses:
        return element("p", marks.badge(PASS), text(f" Budget ({limits}) met by {held}."))
    missed = (element("li", text(f"{miss.artifact}: {miss.fact}")) for miss in result.budget.misses)
    return element("p", marks.badge(FAIL), text(f" Budget ({limits}) missed.")) + element(
        "ul", *missed, class_="failures"
    )


def _list_warnings(result: BenchResult) -> str:
    items = (element("li", text(f"Warning: {item}")) for item in result.warnings)
    return element("ul", *items, class_="warnings") if result.warnings else ""
