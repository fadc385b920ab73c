"""Two bench results side by side, as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from cxr_edge.benchmarks.compare import Comparison, LatencyDifference, RowDifference
from cxr_edge.benchmarks.report.terminal import WIDTH, Columns, head, lay_out
from cxr_edge.benchmarks.result import phrases
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["describe"]

_COLUMNS: Columns = (
    ("artifact", 20, "<"),
    ("AUC A", 5, "<"),
    ("AUC B", 5, "<"),
    ("B - A [95 %]", 23, "<"),
    ("flips", 5, ">"),
    ("threads", 7, ">"),
    ("p50 A / B ms", 13, "<"),
    ("B / A [95 %]", 20, "<"),
    ("beyond", 6, "<"),
)


_NO_QUALITY = ("", "", "", "")
_NO_TIMES = ("", "", "")


def describe(comparison: Comparison, first: str, second: str) -> str:
    """Return the comparison as text of at most 120 columns; `first` and `second` say what A and B are."""
    lines = [f"A: {phrases.clean(first)}", f"B: {phrases.clean(second)}", ""]
    lines += head(_COLUMNS)
    for row in comparison.rows:
        lines += list(_lay_out_row(row))
    lines.append("")
    for paragraph in _explain(comparison):
        lines += textwrap.wrap(phrases.clean(paragraph), WIDTH, subsequent_indent="  ")
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
    pair = f"{phrases.format_number(item.first_ms)} / {phrases.format_number(item.second_ms)}"
    ratio = "one turn" if item.ratio is None else phrases.format_ratio(item.ratio)
    return [str(item.threads), pair, ratio]


def _name_beyond(row: RowDifference, item: LatencyDifference | None) -> str:
    """Return which of the row's figures differ by more than the noise."""
    found = ["AUC"] if row.auc_beyond_noise else []
    if item is not None and item.beyond_noise:
        found.append("p50")
    return ", ".join(found)


def _explain(comparison: Comparison) -> Iterator[str]:
    for row in comparison.rows:
        yield from _explain_row(row)
    yield from _explain_memory(comparison)
    for which, names in (("A", comparison.only_first), ("B", comparison.only_second)):
        if names:
            yield f"only in {which}: {', '.join(names)}"
    yield _explain_noise(comparison)
    yield (
        "an interval knows the noise within the runs, not what changed between them, such as load or temperature: "
        "to compare the speed of two artifacts, put them into one bundle and one run"
    )
    yield from (f"warning: {text}" for text in comparison.warnings)


def _explain_row(row: RowDifference) -> Iterator[str]:
    if row.auc is not None and row.auc_beyond_noise:
        yield f"{row.name}: AUC differs by more than the noise: {phrases.format_change(row.auc)}"
    if row.flips is not None and row.flips.count and row.flips.p_correct < 0.05:
        yield (
            f"{row.name}: {row.flips.spoiled} films are wrong in B that A had right, {row.flips.corrected} the "
            f"other way (McNemar {phrases.format_p(row.flips.p_correct)})"
        )
    for item in row.latencies:
        if item.ratio is not None and item.beyond_noise:
            how = "slower" if item.ratio.value > 1 else "faster"
            yield (
                f"{row.name}: B is {how} on {phrases.name_threads(item.device, item.threads)}, by more than the noise: "
                f"{phrases.format_ratio(item.ratio)} of A's time"
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
    looked = aucs + ratios
    how = "paired DeLong, the same films" if comparison.paired else "independent samples"
    return (
        f"beyond: the 95 % interval leaves out no difference; AUC by {how}, p50 by a bootstrap over turns; {looked} "
        f"differences were looked at, of which about {looked / 20:.1f} would lie beyond by chance alone"
    )
