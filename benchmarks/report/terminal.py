"""A bench result on one screen: what `bench` prints. `terminal_details` has every figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from cxr_edge.benchmarks.report import recommendation
from cxr_edge.benchmarks.report.text_table import NAME, columns_of, cut, lay_out, list_notices, shorten_name, wrap
from cxr_edge.benchmarks.result import device_summary, drift_figures, phrases, timing_figures
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_summary import Place
from cxr_edge.benchmarks.result.drift_result import FAIL, PASS, UNDECIDED, Change
from cxr_edge.benchmarks.result.figures import cells
from cxr_edge.benchmarks.result.predictions_source import Predictions
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["HEIGHT", "WIDTH", "summary"]

WIDTH, HEIGHT = 100, 24
"""The columns and lines of the screen that a summary fits on."""

_TIMED_PLACES = 2
_OTHER_DEVICES = 2
_SEPARATE_VERDICTS = 5
"""With more artifacts than this, those of one outcome share a line."""


def summary(result: BenchResult, page: Path | None = None) -> str:
    """Return the result as text for a screen of 24 lines and 100 columns, the research-only line last.

    `page` is where the HTML report lies. Only the first sentence of three warnings is shown.
    """
    lines = [
        _introduce(result),
        *_lay_out_table(result),
        "",
        *_list_verdicts(result),
        "",
        *_recommend(result),
        *_list_devices(result),
        *list_notices(_collect_notices(result)),
        *_describe_budget(result),
    ]
    closing = [] if page is None else [f"report: {phrases.clean(str(page))} (all figures here: --verbose)"]
    closing.append(RESEARCH_ONLY)
    if len(lines) + len(closing) > HEIGHT:
        lines = [line for line in lines if line]
    return "\n".join([*(cut(line, WIDTH) for line in lines), *closing])


def _introduce(result: BenchResult) -> str:
    return f"{phrases.describe_films(result)}; flips at the threshold {result.model.threshold:.3f}"


def _lay_out_table(result: BenchResult) -> Iterator[str]:
    """Yield the table: a row an artifact, with a column of times for each of two devices or thread counts."""
    places = recommendation.list_places(result)
    time, memory = timing_figures.SUMMARY
    times = [(_title_place(place, places), time.width, time.align) for place in places[:_TIMED_PLACES]]
    columns = [NAME, *columns_of(drift_figures.TERMINAL_SUMMARY), *times, *columns_of((memory,))]
    yield lay_out(columns, [title for title, _, _ in columns])
    for row in result.artifacts:
        drift = cells(drift_figures.TERMINAL_SUMMARY, Predictions(row, row.drift))
        timed = {(item.device, item.threads): item for item in row.latencies}
        found = [timed.get(place) for place in places[:_TIMED_PLACES]]
        shown = ["" if item is None else time.text(item) for item in found]
        first = next((item for item in found[:1] if item is not None), None)
        yield lay_out(columns, [row.name, *drift, *shown, "" if first is None else memory.text(first)])
    if len(places) > 1:
        named = " and ".join(phrases.name_threads(*place) for place in places[:_TIMED_PLACES])
        more = len(places) - _TIMED_PLACES
        yield f"p50 in ms on {named}" + (f"; {more} more: --verbose" if more > 0 else "")


def _title_place(place: recommendation.Place, places: Sequence[recommendation.Place]) -> str:
    """Return the title of a column of times: what tells the place from the others."""
    device, threads = place
    if len(places) == 1:
        return timing_figures.SUMMARY[0].title
    if len({name for name, _ in places}) == 1:
        return f"{threads} thread{'s' * (threads > 1)}"
    return shorten_name(device, timing_figures.SUMMARY[0].width)


def _list_verdicts(result: BenchResult) -> Iterator[str]:
    """Yield a line for each verdict, and one for each artifact that failed."""
    changes = [
        (row, row.drift.change) for row in result.artifacts if row.drift is not None and row.drift.change is not None
    ]
    if len(result.artifacts) > _SEPARATE_VERDICTS:
        yield from _group_verdicts(changes, result)
    else:
        for row, change in changes:
            yield lay_out([NAME, ("", WIDTH, "<")], [row.name, phrases.summarise_verdict(change)])
    for row in result.artifacts:
        if row.drift is None:
            yield lay_out([NAME, ("", WIDTH, "<")], [row.name, f"failed: {phrases.describe_failure(row)}"])


def _group_verdicts(changes: Sequence[tuple[ArtifactResult, Change]], result: BenchResult) -> Iterator[str]:
    for outcome in (PASS, UNDECIDED, FAIL):
        names = [row.name for row, change in changes if change.verdict.outcome == outcome]
        if names:
            yield from wrap(f"{outcome} (a loss of AUC of {result.options.margin:g}): {', '.join(names)}", WIDTH)


def _recommend(result: BenchResult) -> Iterator[str]:
    """Yield what to ship, and why a file is not shipped although its verdict is a pass."""
    found = recommendation.recommend(result)
    yield from wrap(found.sentence, WIDTH)
    for item in found.excluded:
        if item.passed:
            yield f"Do not ship {item.artifact}: {item.reason}."


def _list_devices(result: BenchResult) -> Iterator[str]:
    """Yield a line for each other device, so that no kind of figure stands beside another."""
    places = device_summary.group(result)
    for place in places[:_OTHER_DEVICES]:
        yield f"{place.device} ({place.kind}): {_describe_place(place, result)}"
    more = len(places) - _OTHER_DEVICES
    if more > 0:
        yield f"and {more} more device{'s' * (more > 1)}: --verbose"


def _describe_place(place: Place, result: BenchResult) -> str:
    changes = [found.drift.change for _, found in place.rows if found.drift is not None]
    compared = [change for change in changes if change is not None]
    if compared:
        flips = max(change.flips.count for change in compared)
        lowest = min(change.auc.value for change in compared)
        return (
            f"at most {phrases.count_flips(flips) if flips else '0 flips'}, AUC {lowest:+.3f} at worst, "
            f"against {result.reference} here"
        )
    estimates = [(found.estimate.p50_ms, row.name) for row, found in place.rows if found.estimate is not None]
    if estimates:
        ends = dict.fromkeys((min(estimates), max(estimates)))
        return "about " + " to ".join(f"{phrases.format_number(ms)} ms ({name})" for ms, name in ends)
    return "; ".join(device_summary.explain(place))


def _collect_notices(result: BenchResult) -> list[str]:
    """Return what a reader must know: sources of one class, failures on a device or in timing, warnings of the run."""
    shortcut = phrases.describe_shortcut(result)
    failures = [reason for row in result.artifacts if row.drift is not None for reason in row.failures]
    return [*([] if shortcut is None else [shortcut]), *failures, *result.warnings]


def _describe_budget(result: BenchResult) -> Iterator[str]:
    if result.budget is None:
        return
    missed = dict.fromkeys(miss.artifact for miss in result.budget.misses)
    if missed:
        yield f"budget: missed by {', '.join(missed)}"
    else:
        yield f"budget: met by {', '.join(result.budget.artifacts)}"
