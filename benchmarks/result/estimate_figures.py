"""The figures of an estimated time, each declared once, and the tables in which every form shows them."""

from __future__ import annotations

from cxr_edge.benchmarks.result import phrases
from cxr_edge.benchmarks.result.device_result import Estimate
from cxr_edge.benchmarks.result.figures import Figure, Kind, Table, as_page_table, as_table

__all__ = ["CSV", "MARKDOWN", "PAGE"]


def _show_range(ends: tuple[float, float]) -> str:
    return f"{phrases.format_number(ends[0])} to {phrases.format_number(ends[1])}"


ABOUT = Figure[Estimate, float](
    "about",
    unit="ms",
    meaning="Estimated time of one image",
    read=lambda found: found.p50_ms,
    show=phrases.format_number,
    csv=("estimated_p50_ms",),
)
AT_LEAST = Figure[Estimate, float](
    "at least",
    unit="ms",
    meaning="Lower end of the range of the estimate",
    read=lambda found: found.low_ms,
    show=phrases.format_number,
    csv=("estimated_low_ms",),
)
AT_MOST = Figure[Estimate, float](
    "at most",
    unit="ms",
    meaning="Upper end of the range of the estimate",
    read=lambda found: found.high_ms,
    show=phrases.format_number,
    csv=("estimated_high_ms",),
)
RANGE = Figure[Estimate, tuple[float, float]](
    "range",
    unit="ms",
    meaning="Range of the estimate",
    read=lambda found: (found.low_ms, found.high_ms),
    show=_show_range,
)
SOURCE = Figure[Estimate, str](
    "by",
    meaning="Source of the published times behind the estimate",
    read=lambda found: found.source,
    show=str,
    csv=("estimated_source",),
    kind=Kind.WORDS,
)

MARKDOWN: Table[Estimate] = as_table((ABOUT, AT_LEAST, AT_MOST, SOURCE))
PAGE: Table[Estimate] = as_page_table((ABOUT, RANGE, SOURCE))
CSV: Table[Estimate] = MARKDOWN
