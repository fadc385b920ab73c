"""Two bench results side by side, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from cxr_edge.benchmarks.compare import Comparison, LatencyDifference, RowDifference
from cxr_edge.benchmarks.report import terminal, terminal_details
from cxr_edge.benchmarks.report.text_table import NAME, Columns, cut, head, lay_out, list_notices, wrap
from cxr_edge.benchmarks.result import phrases
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["describe", "summarise"]

_SUMMARY: Columns = (
    NAME,
    ("AUC A", 6, ">"),
    ("AUC B", 6, ">"),
    ("B - A [95 %]", 23, "<"),
    ("flips", 6, ">"),
    ("p50 A / B ms", 15, "<"),
    ("beyond noise", 12, "<"),
)
_COLUMNS: Columns = (
    NAME,
    ("AUC A", 5, "<"),
    ("AUC B", 5, "<"),
    ("B - A [95 %]", 23, "<"),
    ("flips", 5, ">"),
    ("threads", 7, ">"),
    ("p50 A / B ms", 13, "<"),
    ("B / A [95 %]", 20, "<"),
    ("beyond", 6, "<"),
)
_FINDINGS = 6
_NO_QUALITY = ("", "", "", "")
_NO_TIMES = ("", "", "")


def summarise(comparison: Comparison, first: str, second: str) -> str:
    """Return the comparison as text for a screen of 24 lines and 100 columns; `first` and `second` name A and B.

    The table has the first device and thread count that both runs timed. Differences beyond the noise are listed for
    all of them.
    """
    width = terminal.WIDTH
    lines = [f"A: {phrases.clean(first)}", f"B: {phrases.clean(second)}"]
    lines.append(lay_out(_SUMMARY, [title for title, _, _ in _SUMMARY]))
    for row in comparison.rows:
        lines.append(lay_out(_SUMMARY, _summary_cells(row)))
    lines.append("")
    found = [line for row in comparison.rows for line in _find_differences(row)]
    lines += [cut(line, width) for line in found[:_FINDINGS]] or ["No difference exceeds the noise."]
    if len(found) > _FINDINGS:
        lines.append(f"and {len(found) - _FINDINGS} more: --verbose")
    lines += [cut(line, width) for line in (*_name_unpaired(comparison), *list_notices(comparison.warnings))]
    return "\n".join([*lines, RESEARCH_ONLY])


def _summary_cells(row: RowDifference) -> list[str]:
    first = row.latencies[0] if row.latencies else None
    pair = "" if first is None else _format_pair(first)
    return [row.name, *_quality_cells(row), pair, _name_beyond(row, first)]


def describe(comparison: Comparison, first: str, second: str) -> str:
    """Return all of the comparison as text of at most 120 columns; `first` and `second` name A and B."""
    lines = [f"A: {phrases.clean(first)}", f"B: {phrases.clean(second)}", ""]
    lines += head(_COLUMNS)
    for row in comparison.rows:
        lines += list(_lay_out_row(row))
    lines.append("")
    for paragraph in _explain(comparison):
        lines += wrap(paragraph, terminal_details.WIDTH)
    return "\n".join([*lines, RESEARCH_ONLY])


def _lay_out_row(row: RowDifference) -> Iterator[str]:
    quality = _quality_cells(row)
    if not row.latencies:
        yield lay_out(_COLUMNS, [row.name, *quality, *_NO_TIMES, _name_beyond(row, None)])
    several = len({item.device for item in row.latencies}) > 1
    for number, item in enumerate(row.latencies):
        if number == 0:
            yield lay_out(_COLUMNS, [row.name, *quality, *_time_cells(item), _name_beyond(row, item)])
        else:
            name = f"  {item.device}" if several else ""
            yield lay_out(_COLUMNS, [name, *_NO_QUALITY, *_time_cells(item), "p50" if item.beyond_noise else ""])


def _quality_cells(row: RowDifference) -> list[str]:
    flips = "" if row.flips is None else str(row.flips.count)
    if row.aucs is None:
        return ["failed", "", "", flips]
    change = "" if row.auc is None else phrases.format_change(row.auc)
    return [f"{row.aucs[0]:.3f}", f"{row.aucs[1]:.3f}", change, flips]


def _time_cells(item: LatencyDifference) -> list[str]:
    ratio = "one turn" if item.ratio is None else phrases.format_ratio(item.ratio)
    return [str(item.threads), _format_pair(item), ratio]


def _format_pair(item: LatencyDifference) -> str:
    return f"{phrases.format_number(item.first_ms)} / {phrases.format_number(item.second_ms)}"


def _name_beyond(row: RowDifference, item: LatencyDifference | None) -> str:
    """Return which of the row's figures differ by more than the noise."""
    found = ["AUC"] if row.auc_beyond_noise else []
    if item is not None and item.beyond_noise:
        found.append("p50")
    return ", ".join(found)


def _explain(comparison: Comparison) -> Iterator[str]:
    for row in comparison.rows:
        yield from _find_differences(row)
    yield from _explain_memory(comparison)
    yield from _name_unpaired(comparison)
    yield _explain_noise(comparison)
    yield (
        "An interval covers the noise within each run. It does not cover what changed between the runs, such as load "
        "or temperature. To compare the speed of two artifacts, put them into one bundle and bench it once."
    )
    yield from (f"warning: {text}" for text in comparison.warnings)


def _name_unpaired(comparison: Comparison) -> Iterator[str]:
    for which, names in (("A", comparison.only_first), ("B", comparison.only_second)):
        if names:
            yield f"only in {which}: {', '.join(names)}"


def _find_differences(row: RowDifference) -> Iterator[str]:
    """Yield a line for each difference beyond the noise, and for a difference in size."""
    if row.auc is not None and row.auc_beyond_noise:
        yield f"{row.name}: AUC differs by more than the noise: {phrases.format_change(row.auc)}"
    if row.flips is not None and row.flips.count and row.flips.p_correct < 0.05:
        yield (
            f"{row.name}: {row.flips.spoiled} regressions and {row.flips.corrected} fixes from A to B "
            f"(McNemar {phrases.format_p(row.flips.p_correct)})"
        )
    for item in row.latencies:
        if item.ratio is not None and item.beyond_noise:
            how = "slower" if item.ratio.value > 1 else "faster"
            yield (
                f"{row.name}: B is {how} on {phrases.name_threads(item.device, item.threads)}: "
                f"{phrases.format_ratio(item.ratio)} times A's p50"
            )
    first, second = row.size_bytes
    if first != second:
        yield f"{row.name}: {first / 1e6:.2f} MB in A, {second / 1e6:.2f} MB in B"


def _explain_memory(comparison: Comparison) -> Iterator[str]:
    peaks = []
    for row in comparison.rows:
        if row.latencies:
            first = max(item.peak_mib[0] for item in row.latencies)
            second = max(item.peak_mib[1] for item in row.latencies)
            peaks.append(f"{row.name} {first:.0f} / {second:.0f}")
    if peaks:
        yield f"peak memory in MiB, A / B: {', '.join(peaks)}"


def _explain_noise(comparison: Comparison) -> str:
    aucs = sum(row.auc is not None for row in comparison.rows)
    ratios = sum(item.ratio is not None for row in comparison.rows for item in row.latencies)
    tested = aucs + ratios
    how = "paired DeLong on the same images" if comparison.paired else "independent samples"
    return (
        f"beyond: the 95 % interval excludes no difference. AUC is compared by {how}, p50 by a bootstrap over turns. "
        f"Of the {tested} differences tested, about {tested / 20:.1f} are expected beyond the noise by chance."
    )
