"""Every figure of a bench result as text for a terminal, at most 120 columns wide: what `bench --verbose` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cxr_edge.benchmarks.report.recommendation import recommend
from cxr_edge.benchmarks.report.text_table import NAME, columns_of, head, lay_out, shorten_name, wrap
from cxr_edge.benchmarks.result import device_summary, drift_figures, phrases, timing_figures
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_result import Condition, DeviceReport, LatencyReport
from cxr_edge.benchmarks.result.device_summary import Place
from cxr_edge.benchmarks.result.figures import cells
from cxr_edge.benchmarks.result.predictions_source import Predictions, find_gap
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["WIDTH", "details"]

WIDTH = 120


def details(result: BenchResult) -> str:
    """Return every figure as text of at most 120 columns, the research-only line last."""
    lines = [*_lay_out_artifacts(result), "", *_lay_out_details(result), "", *_lay_out_times(result), ""]
    for place in device_summary.group(result):
        lines += [*_lay_out_place(place, result.reference), ""]
    for paragraph in _describe(result):
        lines += wrap(paragraph, WIDTH)
    return "\n".join([*lines, RESEARCH_ONLY])


def _lay_out_artifacts(result: BenchResult) -> Iterator[str]:
    columns = [NAME, *columns_of(drift_figures.TERMINAL)]
    yield from head(columns)
    for row in result.artifacts:
        yield lay_out(columns, [row.name, *cells(drift_figures.TERMINAL, Predictions(row, row.drift))])
        for failure in row.failures:
            yield from wrap(f"! {failure}", WIDTH, indent="  ")


def _lay_out_times(result: BenchResult) -> Iterator[str]:
    table = timing_figures.TERMINAL
    columns = [NAME, ("device", 20, "<"), ("threads", 7, ">"), *columns_of(table)]
    yield from head(columns)
    for row in result.artifacts:
        for item in row.latencies:
            device = shorten_name(item.device, 20)
            yield lay_out(columns, [row.name, device, str(item.threads), *cells(table, item)])


def _lay_out_details(result: BenchResult) -> Iterator[str]:
    table = drift_figures.TERMINAL_DETAILS
    columns = [NAME, *columns_of(table)]
    yield from head(columns)
    for row in result.artifacts:
        if row.drift is not None:
            yield lay_out(columns, [row.name, *cells(table, Predictions(row, row.drift))])


def _lay_out_place(place: Place, reference: str) -> Iterator[str]:
    """Yield what is known of a device in a block of its own, so that no kind of figure stands beside another."""
    yield from wrap(f"{place.device} ({place.kind}): {place.identity}", WIDTH)
    for row, found in place.rows:
        fact = _describe_report(row, found, reference)
        if fact:
            yield from wrap(f"{row.name}: {fact}", WIDTH, indent="  ")
    for reason in device_summary.explain(place):
        yield from wrap(reason, WIDTH, indent="  ")


def _describe_report(row: ArtifactResult, found: DeviceReport, reference: str) -> str:
    if found.estimate is not None:
        return phrases.format_estimate(found.estimate)
    if found.drift is None or found.drift.change is None:
        return ""
    change, gap = found.drift.change, find_gap(Predictions(row, found.drift))
    distance = "" if gap is None else f"; its probabilities differ from the same file's here by {gap:.2g} at most"
    return (
        f"{change.flips.count} flips, AUC {phrases.format_change(change.auc)}, largest change "
        f"{change.largest:.4f} against {reference} here{distance}"
    )


def _describe(result: BenchResult) -> Iterator[str]:
    yield from _describe_recommendation(result)
    yield from _describe_drift(result)
    yield from _describe_timing(result)
    yield from (f"warning: {text}" for text in result.warnings)
    if result.budget is not None:
        yield from (f"budget missed: {miss.artifact}: {miss.fact}" for miss in result.budget.misses)
        if not result.budget.misses:
            yield f"budget met by {', '.join(result.budget.artifacts)}"


def _describe_recommendation(result: BenchResult) -> Iterator[str]:
    found = recommend(result)
    yield found.sentence
    yield from (f"Do not ship {item.artifact}: {item.reason}." for item in found.excluded)


def _describe_drift(result: BenchResult) -> Iterator[str]:
    for row, outcome, reason in phrases.explain_verdicts(result):
        yield f"{row.name}: {outcome}: {reason}"
    yield f"images: {phrases.describe_films(result)}"
    yield phrases.explain_comparison(result)
    yield _explain_details(result)
    within = phrases.describe_sources(result)
    if within:
        yield f"AUC within a source ({result.reference}): {within}"
    shortcut = phrases.describe_shortcut(result)
    if shortcut:
        yield f"warning: {shortcut}"
    for row in result.artifacts:
        maps = phrases.describe_localisation(row)
        if maps:
            yield f"heat maps of {row.name}: {maps}"


def _describe_timing(result: BenchResult) -> Iterator[str]:
    machine = result.machine
    items = [item for row in result.artifacts for item in row.latencies]
    ran = dict.fromkeys(device_summary.describe_runtime(item) for item in items)
    yield (
        f"machine: {machine.cpu_model}, {machine.usable_cores} of {machine.cores} cores, {machine.system}, "
        f"Python {machine.python}"
    )
    yield f"runtimes: {'; '.join(ran) or 'nothing was timed'}"
    yield from _describe_states(items)
    yield "p50 / p90 / p99: time of one image; peak MiB: the peak memory of a new process; runs: timed runs"


def _describe_states(items: Sequence[LatencyReport]) -> Iterator[str]:
    by_device: dict[str, list[Condition]] = {}
    for item in items:
        by_device.setdefault(item.device, []).extend(item.conditions)
    for device, conditions in by_device.items():
        if conditions:
            yield f"state of {device} while timing: {device_summary.observe(conditions).describe()}"


def _explain_details(result: BenchResult) -> str:
    fitted = next((row.drift.transfer.fitted_on for row in result.artifacts if row.drift is not None), "val")
    optimistic = " (these are the measured images, so the rates are optimistic)" if fitted == result.data.split else ""
    return (
        f"refitted: sens / spec at the artifact's own threshold, chosen by Youden's index on {fitted}{optimistic}; "
        f"change of sens: at specificity {result.options.specificity:g}, with a bootstrap interval; ECE: calibration "
        f"error in 10 bins of equal size; max|dp|: largest change of the probability of {result.model.positive}; "
        "scores: number of different scores"
    )
