"""A bench result as JUnit XML, which continuous integration systems show as passed and failed tests.

Each artifact is a suite. It has a case for each question: does it run, is its AUC inferior, does it keep each limit of
the budget, and what is the verdict on each other device. Latencies and estimates are properties, named by their kind.
A verdict of "not enough images" is a skipped case, because it shows neither a pass nor a failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar
from xml.etree import ElementTree

from cxr_edge.benchmarks.result import drift_figures, phrases, timing_figures
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.drift_result import FAIL, UNDECIDED, DriftReport
from cxr_edge.benchmarks.result.figures import Table
from cxr_edge.benchmarks.result.predictions_source import Predictions
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["to_junit"]

Source = TypeVar("Source")


def to_junit(result: BenchResult) -> str:
    """Return the XML document."""
    suites = ElementTree.Element("testsuites", name="cxr-edge bench", time=f"{result.duration_s:.1f}")
    for row in result.artifacts:
        suite = ElementTree.SubElement(suites, "testsuite", name=phrases.clean(row.name), timestamp=result.started[:19])
        properties = ElementTree.SubElement(suite, "properties")
        facts = [("research_only", RESEARCH_ONLY), ("films", phrases.describe_films(result)), *_describe(row)]
        for key, value in facts:
            ElementTree.SubElement(properties, "property", name=phrases.clean(key), value=phrases.clean(value))
        _add_cases(suite, row, result)
        _count(suite)
    _count(suites)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _describe(row: ArtifactResult) -> Iterator[tuple[str, str]]:
    """Yield the figures that are not cases: a property of times for each device and thread count."""
    yield from _name_cells(drift_figures.JUNIT, Predictions(row, row.drift))
    for item in row.latencies:
        facts = [f"{title} {cell}".strip() for title, cell in _name_cells(timing_figures.JUNIT, item)]
        yield f"{item.kind} ms on {phrases.name_threads(item.device, item.threads)}", "; ".join(facts)
    for found in row.elsewhere:
        if found.estimate is not None:
            yield f"{found.kind} ms on {found.device}", phrases.format_estimate(found.estimate)


def _name_cells(table: Table[Source], source: Source) -> Iterator[tuple[str, str]]:
    """Yield the title and the text of each figure that is known."""
    for column in table:
        cell = column.text(source)
        if cell:
            yield column.title, cell


def _add_cases(suite: ElementTree.Element, row: ArtifactResult, result: BenchResult) -> None:
    case = _case(suite, row, "runs")
    for reason in row.failures[:1]:
        _outcome(case, "error", reason)
    _add_verdict(suite, row, row.drift, "")
    if result.budget is not None and row.name in result.budget.artifacts:
        for name, limit in result.budget.limits.items():
            case = _case(suite, row, f"budget: {name} {limit:g}")
            facts = [miss.fact for miss in result.budget.misses if (miss.artifact, miss.limit) == (row.name, name)]
            if facts:
                _outcome(case, "failure", "; ".join(facts))
            elif row.drift is None and name != "size_mb":
                _outcome(case, "skipped", "it did not run")
    for found in row.elsewhere:
        where = f" on {found.device} ({found.kind})"
        _add_verdict(suite, row, found.drift, where)
        if found.drift is None and found.withheld is not None:
            _outcome(_case(suite, row, f"runs{where}"), "skipped", found.withheld)


def _add_verdict(suite: ElementTree.Element, row: ArtifactResult, drift: DriftReport | None, where: str) -> None:
    if drift is None or drift.change is None:
        return
    verdict = drift.change.verdict
    case = _case(suite, row, f"AUC not inferior by {verdict.margin:g}{where}")
    if verdict.outcome in (FAIL, UNDECIDED):
        _outcome(case, "failure" if verdict.outcome == FAIL else "skipped", f"{verdict.outcome}: {verdict.reason}")


def _case(suite: ElementTree.Element, row: ArtifactResult, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=phrases.clean(row.name), name=phrases.clean(name))


def _outcome(case: ElementTree.Element, tag: str, message: str) -> None:
    ElementTree.SubElement(case, tag, message=phrases.clean(message))


def _count(element: ElementTree.Element) -> None:
    counts = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
    for key, tag in counts.items():
        if tag != "skipped" or element.tag == "testsuite":
            element.set(key, str(sum(1 for _ in element.iter(tag))))
