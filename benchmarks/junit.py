"""A bench result as JUnit XML, the form in which continuous integration shows what passed.

A suite an artifact, with a case for each question: does it run, is its AUC inferior, does it keep each limit of the
budget. A verdict of "not enough images" is a skipped case: nothing was shown, either way.
"""

from __future__ import annotations

from xml.etree import ElementTree

from cxr_edge import RESEARCH_ONLY
from cxr_edge.benchmarks import wording
from cxr_edge.benchmarks.result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.verdict import FAIL, UNDECIDED

__all__ = ["to_junit"]


def to_junit(result: BenchResult) -> str:
    """Return the XML document."""
    suites = ElementTree.Element("testsuites", name="cxr-edge bench", time=f"{result.duration_s:.1f}")
    for row in result.artifacts:
        suite = ElementTree.SubElement(suites, "testsuite", name=wording.clean(row.name), timestamp=result.started[:19])
        properties = ElementTree.SubElement(suite, "properties")
        for key, value in (("research_only", RESEARCH_ONLY), ("films", wording.describe_films(result))):
            ElementTree.SubElement(properties, "property", name=key, value=wording.clean(value))
        _add_cases(suite, row, result)
        _count(suite)
    _count(suites)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _add_cases(suite: ElementTree.Element, row: ArtifactResult, result: BenchResult) -> None:
    case = _case(suite, row, "runs")
    for reason in row.failures[:1]:
        _outcome(case, "error", reason)
    if row.drift is not None and row.drift.change is not None:
        verdict = row.drift.change.verdict
        case = _case(suite, row, f"AUC not inferior by {verdict.margin:g}")
        if verdict.outcome in (FAIL, UNDECIDED):
            _outcome(case, "failure" if verdict.outcome == FAIL else "skipped", f"{verdict.outcome}: {verdict.reason}")
    if result.budget is not None and row.name in result.budget.artifacts:
        for name, limit in result.budget.limits.items():
            case = _case(suite, row, f"budget: {name} {limit:g}")
            facts = [miss.fact for miss in result.budget.misses if (miss.artifact, miss.limit) == (row.name, name)]
            if facts:
                _outcome(case, "failure", "; ".join(facts))
            elif row.drift is None and name != "size_mb":
                _outcome(case, "skipped", "gave no answers")


def _case(suite: ElementTree.Element, row: ArtifactResult, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=wording.clean(row.name), name=name)


def _outcome(case: ElementTree.Element, tag: str, message: str) -> None:
    ElementTree.SubElement(case, tag, message=wording.clean(message))


def _count(element: ElementTree.Element) -> None:
    counts = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
    for key, tag in counts.items():
        if tag != "skipped" or element.tag == "testsuite":
            element.set(key, str(sum(1 for _ in element.iter(tag))))
