"""The report as one HTML page that loads nothing: it contains its style, plots and pictures, and no script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from cxr_edge.benchmarks.drift.gallery import Pictures
from cxr_edge.benchmarks.report.page import (
    device_sections,
    drift_plots,
    drift_sections,
    gallery_section,
    marks,
    plots,
    summary_section,
)
from cxr_edge.benchmarks.result import phrases
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.metrics.intervals import Interval
from cxr_edge.report.html import document, figure, section
from cxr_edge.report.svg import element, text
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["render"]


def render(result: BenchResult, pictures: Mapping[str, Pictures]) -> str:
    """Return the page. Names in the result are escaped, so they are always shown as text."""
    title = f"Benchmark of {result.model.name}"
    body = "\n".join([_header(result, title), *_sections(result, pictures), element("footer", _footer(result))])
    return document(title, body)


def _header(result: BenchResult, title: str) -> str:
    facts = (
        f"{phrases.describe_films(result)}. Measured {result.started[:16].replace('T', ' ')} UTC in "
        f"{result.duration_s:.0f} s."
    )
    return element(
        "header",
        element("h1", text(title)),
        element("p", text(RESEARCH_ONLY), class_="research"),
        element("p", text(facts)),
    )


def _sections(result: BenchResult, pictures: Mapping[str, Pictures]) -> Iterator[str]:
    yield summary_section.show_summary(result)
    yield drift_sections.show_drift(result)
    yield drift_sections.show_operating_points(result)
    yield device_sections.show_latency(result)
    yield from device_sections.show_elsewhere(result)
    # Times of two devices or thread counts would not compare the artifacts.
    timed = [item for row in result.artifacts for item in row.latencies]
    place = (timed[0].device, timed[0].threads) if timed else None
    where = f", {phrases.name_threads(*place)}" if place else ""
    panels = (
        ("ROC with the reference's 95 % band; operating points with Wilson's intervals", drift_plots.draw_roc(result)),
        ("Latency: every run; lines at p50, p90, p99", plots.draw_latency(result)),
        (f"AUC against latency{where}", plots.draw_cost(result, _p90_at(place), "ms at p90, logarithmic")),
        ("AUC against size", plots.draw_cost(result, _size_mb, "MB of file, logarithmic")),
    )
    figures = (figure(title, picture) for title, picture in panels)
    yield section("Plots", _legend(result), element("div", *figures, class_="plots"))
    yield drift_sections.show_sources(result)
    yield drift_sections.show_localisation(result)
    yield gallery_section.show_gallery(result, pictures)
    yield device_sections.show_card(result)


def _legend(result: BenchResult) -> str:
    entries = (
        element("li", marks.swatch(row), text(row.name)) for row in result.artifacts if row.drift or row.latencies
    )
    return element("ul", *entries, class_="legend")


def _footer(result: BenchResult) -> str:
    return element(
        "p", text(f"{RESEARCH_ONLY} Written by cxr-edge {result.version}; bench.json in the same folder has every run.")
    )


def _p90_at(place: tuple[str, int] | None) -> Callable[[ArtifactResult], Interval | None]:
    """Return the cost "p90 on this device with so many threads", None for an artifact that was not timed there."""

    def p90_ms(row: ArtifactResult) -> Interval | None:
        return next((item.p90 for item in row.latencies if (item.device, item.threads) == place), None)

    return p90_ms


def _size_mb(row: ArtifactResult) -> Interval:
    size_mb = row.size_bytes / 1e6
    return Interval(size_mb, size_mb, size_mb)
