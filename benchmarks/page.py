"""The report as one HTML page that loads nothing: style, plots and pictures are inside, and there is no script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources

from cxr_edge import RESEARCH_ONLY
from cxr_edge.benchmarks import drift_plots, parts, plots, sections, stats, wording
from cxr_edge.benchmarks.gallery import Pictures
from cxr_edge.benchmarks.result import ArtifactResult, BenchResult, LatencyReport
from cxr_edge.benchmarks.svg import element, text
from cxr_edge.benchmarks.verdict import FAIL, PASS
from cxr_edge.metrics import Interval

__all__ = ["render"]

# A browser then refuses whatever a name in the data might still smuggle in.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_TIME_HEADS = ("Artifact", "Threads", "p50 ms", "p90 ms", "p99 ms", "First ms", "Load ms", "Import ms",
               "Peak MiB", "Increase MiB", "Runs", "Device", "Ran on")  # fmt: skip


def render(result: BenchResult, pictures: Mapping[str, Pictures]) -> str:
    """Return the page. Every name in the result is shown as text, whatever characters it has."""
    style = resources.files("cxr_edge.benchmarks").joinpath("templates", "bench.css").read_text(encoding="utf-8")
    title = f"Benchmark of {result.model.name}"
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{style}</style>"
    )
    body = "\n".join([_header(result, title), *_sections(result, pictures), element("footer", _footer(result))])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{body}\n</main></body></html>\n'


def _header(result: BenchResult, title: str) -> str:
    facts = (
        f"{wording.describe_films(result)}. Measured {result.started[:16].replace('T', ' ')} UTC in "
        f"{result.duration_s:.0f} s."
    )
    warnings = element("ul", *(element("li", text(f"Warning: {item}")) for item in result.warnings), class_="warnings")
    return element(
        "header",
        element("h1", text(title)),
        element("p", text(RESEARCH_ONLY), class_="research"),
        element("p", text(facts)),
        _budget(result),
        warnings if result.warnings else "",
    )


def _budget(result: BenchResult) -> str:
    if result.budget is None:
        return ""
    limits = ", ".join(f"{name} {limit:g}" for name, limit in result.budget.limits.items())
    held = ", ".join(result.budget.artifacts)
    if not result.budget.misses:
        return element("p", parts.badge(PASS), text(f" Budget ({limits}) met by {held}."))
    missed = (element("li", text(f"{miss.artifact}: {miss.fact}")) for miss in result.budget.misses)
    return element("p", parts.badge(FAIL), text(f" Budget ({limits}) missed.")) + element(
        "ul", *missed, class_="failures"
    )


def _sections(result: BenchResult, pictures: Mapping[str, Pictures]) -> Iterator[str]:
    yield sections.show_drift(result)
    yield sections.show_operating_points(result)
    kinds = dict.fromkeys(item.kind for row in result.artifacts for item in row.latencies)
    for kind in kinds or ("measured",):
        yield parts.section(f"Latency and memory, {kind}", parts.note(_EXPLANATION), _latency_table(result, kind))
    panels = (
        ("ROC: the reference's 95 % band, and operating points with Wilson's intervals", drift_plots.draw_roc(result)),
        ("Latency: every run; lines at p50, p90, p99", plots.draw_latency(result)),
        ("AUC against latency", plots.draw_cost(result, _p90_ms, "ms at p90, logarithmic")),
        ("AUC against size", plots.draw_cost(result, _size_mb, "MB of file, logarithmic")),
    )
    figures = (parts.figure(title, picture) for title, picture in panels)
    yield parts.section("Plots", _legend(result), element("div", *figures, class_="plots"))
    yield sections.show_sources(result)
    yield sections.show_localisation(result)
    yield sections.show_gallery(result, pictures)
    yield parts.section("Device and bundle", _device_card(result))


_EXPLANATION = (
    "One film, pixels in to probabilities out, on films of the set, in fresh processes that take turns. First, load "
    "and import are medians over the turns. Increase is peak memory above that of an idle Python."
)


def _latency_table(result: BenchResult, kind: str) -> str:
    rows = [
        (row, [text(cell) for cell in _latency_cells(item)])
        for row in result.artifacts
        for item in row.latencies
        if item.kind == kind
    ]
    return parts.table(_TIME_HEADS, rows)


def _latency_cells(item: LatencyReport) -> list[str]:
    times = (item.p50_ms, item.p90_ms, item.p99_ms, item.first_ms, item.load_ms, item.import_ms)
    return [
        str(item.threads),
        *(wording.format_number(value) for value in times),
        f"{item.peak_mib:.0f}",
        f"{item.increase_mib:.0f}",
        str(item.runs),
        f"{item.device}, {item.kind}",
        item.runtime,
    ]


def _legend(result: BenchResult) -> str:
    entries = (
        element("li", parts.swatch(row), text(row.name)) for row in result.artifacts if row.drift or row.latencies
    )
    return element("ul", *entries, class_="legend")


def _device_card(result: BenchResult) -> str:
    machine, options, model = result.machine, result.options, result.model
    delegates = dict.fromkeys(f"{item.runtime}: {item.delegate}" for row in result.artifacts for item in row.latencies)
    libraries = ", ".join(f"{name} {version}" for name, version in machine.libraries.items())
    memory = f"{machine.memory_mib / 1024:.1f} GiB" if machine.memory_mib is not None else "unknown"
    facts = {
        "Processor": f"{machine.cpu_model} ({machine.architecture}), {machine.usable_cores} of {machine.cores} cores",
        "Instructions": ", ".join(machine.cpu_features) or "none of those that matter here",
        "Board": machine.board or "",
        "Frequency governor": machine.governor or "unknown",
        "Memory": memory,
        "System": f"{machine.system}, Python {machine.python}",
        "Runtimes": ", ".join(delegates),
        "Libraries": libraries,
        "Bundle": f"{model.name} ({model.architecture}), labels {', '.join(model.labels)}",
        "Data": f"{result.data.name}, SHA-256 {result.data.fingerprint[:16]}…",
        "Effort": f"at least {options.min_runs} runs and {options.min_time_s:g} s an artifact, "
        f"after {options.warmup_runs} to warm up; seed {options.seed}",
    }
    entries = (element("dt", text(key)) + element("dd", text(value)) for key, value in facts.items() if value)
    return element("dl", *entries, class_="card")


def _footer(result: BenchResult) -> str:
    return element(
        "p", text(f"{RESEARCH_ONLY} Written by cxr-edge {result.version}; bench.json beside it has every run.")
    )


def _p90_ms(row: ArtifactResult) -> Interval | None:
    latency = next((item for item in row.latencies if item.kind == "measured"), None)
    if latency is None:
        return None
    return stats.over_turns(latency.times_ms, 90) or Interval(latency.p90_ms, latency.p90_ms, latency.p90_ms)


def _size_mb(row: ArtifactResult) -> Interval:
    size_mb = row.size_bytes / 1e6
    return Interval(size_mb, size_mb, size_mb)
