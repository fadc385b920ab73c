"""The report as one HTML page that loads nothing: style and plots are inside, and there is no script."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

from cxr_edge import RESEARCH_ONLY
from cxr_edge.benchmarks import plots
from cxr_edge.benchmarks.result import ArtifactResult, BenchResult, LatencyReport
from cxr_edge.benchmarks.svg import element, text
from cxr_edge.metrics import Interval

__all__ = ["describe_sources", "format_interval", "format_number", "render"]

# A browser then refuses whatever a name in the data might still smuggle in.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_DRIFT_HEADS = ("Artifact", "MB", "AUC [95 %]", "Change of AUC [95 %]", "Flips", "Largest change", "Mean change",
                "Accuracy", "Sensitivity", "Specificity")  # fmt: skip
_TIME_HEADS = ("Artifact", "Threads", "p50 ms", "p90 ms", "p99 ms", "First ms", "Load ms", "Import ms",
               "Peak MiB", "Increase MiB", "Runs", "Device", "Ran on")  # fmt: skip


def render(result: BenchResult) -> str:
    """Return the page. Every name in the result is shown as text, whatever characters it has."""
    style = resources.files("cxr_edge.benchmarks").joinpath("templates", "bench.css").read_text(encoding="utf-8")
    title = f"Benchmark of {result.model.name}"
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{style}</style>"
    )
    body = "\n".join([_header(result, title), *_sections(result), element("footer", _footer(result))])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{body}\n</main></body></html>\n'


def format_number(value: float) -> str:
    """Return a time or size, not below 0, with three significant digits and never in powers of ten."""
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{decimals}f}"


def format_interval(value: Interval, *, sign: str = "") -> str:
    """Return an interval as 0.973 [0.951, 0.995]; with `sign` "+" every number has its sign."""
    # Rounded first and a zero added, or what is a little below 0 would be shown as -0.000.
    middle, low, high = (f"{round(number, 3) + 0.0:{sign}.3f}" for number in (value.value, value.low, value.high))
    return f"{middle} [{low}, {high}]"


def describe_sources(result: BenchResult) -> str:
    """Return the reference's AUC within each source that has both classes, in words; empty where there is none."""
    drift = next((row.drift for row in result.artifacts if row.name == result.reference), None)
    return ", ".join(
        f"{source} {format_interval(part.auc)} ({part.positive_films} + {part.negative_films} films)"
        for source, part in (drift.within_source.items() if drift is not None else ())
    )


def _header(result: BenchResult, title: str) -> str:
    data = result.data
    facts = (
        f"{len(data.films)} films of {data.name}, split {data.split}: {sum(data.positive)} {result.model.positive}, "
        f"{len(data.films) - sum(data.positive)} other. Measured {result.started[:16].replace('T', ' ')} UTC "
        f"in {result.duration_s:.0f} s."
    )
    warnings = element("ul", *(element("li", text(f"Warning: {item}")) for item in result.warnings), class_="warnings")
    return element(
        "header",
        element("h1", text(title)),
        element("p", text(RESEARCH_ONLY), class_="research"),
        element("p", text(facts)),
        warnings if result.warnings else "",
    )


def _sections(result: BenchResult) -> Iterator[str]:
    yield _section("Accuracy and drift", _explain_drift(result), _drift_table(result), _failures(result))
    yield _section("Latency and memory", _explain_latency(), _latency_table(result))
    panels = (
        ("ROC", plots.draw_roc(result)),
        ("Latency: every run; lines at p50, p90, p99", plots.draw_latency(result)),
        ("AUC against latency", plots.draw_cost(result, _p90_ms, "ms at p90, logarithmic")),
        ("AUC against size", plots.draw_cost(result, lambda row: row.size_bytes / 1e6, "MB of file, logarithmic")),
    )
    figures = (element("figure", element("figcaption", text(title)), picture) for title, picture in panels)
    yield _section("Plots", _legend(result), element("div", *figures, class_="plots"))
    within = _sources_table(result)
    if within:
        yield _section("AUC within a source", _explain_sources(), within)
    yield _section("Device and bundle", _device_card(result))


def _section(title: str, *parts: str) -> str:
    return element("section", element("h2", text(title)), *parts)


def _explain_drift(result: BenchResult) -> str:
    return element(
        "p",
        text(
            f"Changes are against {result.reference} on the same films, at the threshold {result.model.threshold:.3f} "
            f"for {result.model.positive}. A flip is a film called otherwise; the other changes are of its "
            "probability. Intervals are DeLong's, paired for the change."
        ),
    )


def _explain_latency() -> str:
    return element(
        "p",
        text(
            "One film, pixels in to probabilities out, on films of the set, in fresh processes that take turns. First, "
            "load and import are medians over the turns. Increase is peak memory above that of an idle Python."
        ),
    )


def _explain_sources() -> str:
    return element(
        "p", text("Among the films of one source, so that no difference between sources can raise the figure.")
    )


def _drift_table(result: BenchResult) -> str:
    return _table(_DRIFT_HEADS, [(row, _drift_cells(row, len(result.data.films))) for row in result.artifacts])


def _drift_cells(row: ArtifactResult, films: int) -> list[str]:
    size, drift = format_number(row.size_bytes / 1e6), row.drift
    if drift is None:
        return [size, "failed", *[""] * 7]
    change = drift.change
    changes = ["reference", "", "", ""]
    if change is not None:
        changes = [
            format_interval(change.auc, sign="+"),
            f"{change.flips}/{films}",
            f"{change.largest:.4f}",
            f"{change.mean:.4f}",
        ]
    rates = [f"{value:.3f}" for value in (drift.accuracy, drift.sensitivity, drift.specificity)]
    return [size, format_interval(drift.auc), *changes, *rates]


def _failures(result: BenchResult) -> str:
    reasons = [element("li", text(reason)) for row in result.artifacts for reason in row.failures]
    return element("ul", *reasons, class_="failures") if reasons else ""


def _latency_table(result: BenchResult) -> str:
    return _table(_TIME_HEADS, [(row, _latency_cells(item)) for row in result.artifacts for item in row.latencies])


def _latency_cells(item: LatencyReport) -> list[str]:
    times = (item.p50_ms, item.p90_ms, item.p99_ms, item.first_ms, item.load_ms, item.import_ms)
    return [
        str(item.threads),
        *(format_number(value) for value in times),
        f"{item.peak_mib:.0f}",
        f"{item.increase_mib:.0f}",
        str(item.runs),
        f"{item.device}, {item.kind}",
        item.runtime,
    ]


def _sources_table(result: BenchResult) -> str:
    sources = sorted({source for row in result.artifacts if row.drift for source in row.drift.within_source})
    if not sources:
        return ""
    rows = [
        (row, [format_interval(row.drift.within_source[source].auc) for source in sources])
        for row in result.artifacts
        if row.drift is not None
    ]
    counts = next(row.drift.within_source for row in result.artifacts if row.drift is not None)
    heads = [
        f"{source} ({counts[source].positive_films} + {counts[source].negative_films} films)" for source in sources
    ]
    return _table(("Artifact", *heads), rows)


def _table(heads: tuple[str, ...], rows: list[tuple[ArtifactResult, list[str]]]) -> str:
    head = element("tr", *(element("th", text(title), scope="col") for title in heads))
    body = [
        element(
            "tr",
            element("th", _swatch(row), text(row.name), scope="row"),
            *(element("td", text(cell)) for cell in cells),
        )
        for row, cells in rows
    ]
    table = element("table", element("thead", head), element("tbody", *body))
    # Reachable by keyboard, for it scrolls sideways on a narrow screen.
    return element("div", table, class_="scroll", tabindex="0")


def _swatch(row: ArtifactResult) -> str:
    return element("svg", plots.mark(row, 7, 7, 4.5), viewBox="0 0 14 14", class_="swatch", aria_hidden="true")


def _legend(result: BenchResult) -> str:
    entries = (element("li", _swatch(row), text(row.name)) for row in result.artifacts if row.drift or row.latencies)
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
    pairs = (element("dt", text(key)) + element("dd", text(value)) for key, value in facts.items() if value)
    return element("dl", *pairs, class_="card")


def _footer(result: BenchResult) -> str:
    return element(
        "p", text(f"{RESEARCH_ONLY} Written by cxr-edge {result.version}; bench.json beside it has every run.")
    )


def _p90_ms(row: ArtifactResult) -> float | None:
    return row.latencies[0].p90_ms if row.latencies else None
