"""Figures in words, the same on the terminal, in Markdown and on the page."""

from __future__ import annotations

from collections.abc import Iterator

from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_result import Estimate
from cxr_edge.benchmarks.result.drift_result import FAIL, PASS, Change, DriftReport, Flips, Typicality
from cxr_edge.metrics.intervals import Interval

__all__ = [
    "clean",
    "count_flips",
    "describe_failure",
    "describe_films",
    "describe_flips",
    "describe_localisation",
    "describe_shortcut",
    "describe_sources",
    "describe_typicality",
    "explain_comparison",
    "explain_verdicts",
    "format_change",
    "format_estimate",
    "format_interval",
    "format_number",
    "format_p",
    "format_rates",
    "format_ratio",
    "format_times",
    "headline",
    "name_threads",
    "summarise_verdict",
]

_UNSAFE = dict.fromkeys((*range(32), *range(127, 160)), "?")


def clean(text: str) -> str:
    """Return `text` without control characters, which a file name may have and a terminal would obey."""
    return text.translate(_UNSAFE)


def format_number(value: float) -> str:
    """Return a time or size, not below 0, with three significant digits and never in powers of ten."""
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{decimals}f}"


def format_interval(value: Interval, *, sign: str = "") -> str:
    """Return an interval as 0.973 [0.951, 0.995]; with `sign` "+" every number has its sign."""
    # Rounded first and a zero added, or what is a little below 0 would be shown as -0.000.
    value = Interval(round(value.value, 3) + 0.0, round(value.low, 3) + 0.0, round(value.high, 3) + 0.0)
    return f"{value.value:{sign}.3f} [{value.low:{sign}.3f}, {value.high:{sign}.3f}]"


def format_change(value: Interval) -> str:
    """Return a change and its interval as +0.012 [-0.003, +0.027]."""
    return format_interval(value, sign="+")


def format_rates(rates: tuple[float, float]) -> str:
    """Return a sensitivity and a specificity as 0.940 / 0.905."""
    return f"{rates[0]:.3f} / {rates[1]:.3f}"


def format_times(value: Interval) -> str:
    """Return a time and its interval as 12.3 [11.8, 13.0]."""
    return f"{format_number(value.value)} [{format_number(value.low)}, {format_number(value.high)}]"


def format_estimate(figure: Estimate) -> str:
    """Return an estimated time with its range and source, in words."""
    low, high = format_number(figure.low_ms), format_number(figure.high_ms)
    return f"about {format_number(figure.p50_ms)} ms, between {low} and {high} ({figure.source})"


def name_threads(name: str, threads: int) -> str:
    """Return `name` with its thread count, for messages."""
    return f"{name}, {threads} thread{'s' * (threads > 1)}"


def format_ratio(value: Interval) -> str:
    """Return a ratio and its interval as 1.04 [0.98, 1.11]."""
    return f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"


def format_p(value: float) -> str:
    """Return a p value to two digits; a very small one as a bound."""
    return "p < 0.001" if value < 0.001 else f"p {value:.2g}"


def headline(warning: str) -> str:
    """Return the first sentence of a warning, which says the fact and what to do; the others explain it."""
    return warning.split(". ", 1)[0].removesuffix(".")


def describe_failure(row: ArtifactResult) -> str:
    """Return why an artifact failed, without its name."""
    reason = row.failures[0] if row.failures else "not measured"
    return reason.removeprefix(f"{row.name}: ")


def count_flips(count: int) -> str:
    """Return a number of flips in words, as "no flips", "1 flip" or "4 flips"."""
    return "no flips" if count == 0 else f"{count} flip{'s' * (count != 1)}"


def describe_flips(change: Change, *, reference: str) -> str:
    """Return the flips in words, with McNemar's tests."""
    flips = change.flips
    if not flips.count:
        return "no flips"
    leaning = "; most go one way, so the threshold no longer fits" if flips.p_calls < 0.05 else ""
    return (
        f"{count_flips(flips.count)}: {_describe_corrections(flips)} compared with {reference} "
        f"(McNemar {format_p(flips.p_correct)}); {flips.to_positive} to positive, {flips.to_negative} to negative "
        f"({format_p(flips.p_calls)}){leaning}"
    )


def _describe_corrections(flips: Flips) -> str:
    """Return how many predictions became wrong and how many became right."""
    return (
        f"{flips.spoiled} regression{'s' * (flips.spoiled != 1)}, {flips.corrected} fix{'es' * (flips.corrected != 1)}"
    )


def summarise_verdict(change: Change) -> str:
    """Return the outcome of a verdict and its main reason, in one short line."""
    return f"{change.verdict.outcome}: {_summarise_reason(change)}; {_summarise_flips(change.flips)}"


def _summarise_reason(change: Change) -> str:
    verdict = change.verdict
    if verdict.outcome == PASS:
        if change.auc.value == change.auc.low == change.auc.high == 0:
            return "AUC does not change"
        return f"a loss of AUC of {verdict.margin:g} or more is ruled out"
    if verdict.outcome == FAIL:
        return f"AUC falls by more than {verdict.margin:g}"
    if verdict.images_needed is None:
        return "more images would not decide"
    return f"{verdict.images:,} used, about {verdict.images_needed:,} needed"


def _summarise_flips(flips: Flips) -> str:
    return _describe_corrections(flips) if flips.count else "no flips"


def explain_verdicts(result: BenchResult) -> Iterator[tuple[ArtifactResult, str, str]]:
    """Yield each compared artifact, its outcome, and the reason with the flips and the sources that lost AUC."""
    for row in result.artifacts:
        if row.drift is not None and row.drift.change is not None:
            verdict = row.drift.change.verdict
            facts = [
                verdict.reason,
                describe_flips(row.drift.change, reference=result.reference),
                *_describe_losses(row.drift),
            ]
            yield row, verdict.outcome, "; ".join(facts)


def _describe_losses(drift: DriftReport) -> Iterator[str]:
    """Yield each source within which AUC falls by more than the noise."""
    if len(drift.sources) < 2:
        return
    for source, part in drift.sources.items():
        if part.change is not None and part.change.high < 0:
            yield f"within {source} AUC changes by {format_change(part.change)}"


def explain_comparison(result: BenchResult) -> str:
    """Return what the artifacts are compared with and what the verdict asks, in words."""
    return (
        f"Changes and flips are against {result.reference}, flips at the threshold {result.model.threshold:.3f}. "
        f"The verdict asks whether AUC falls by {result.options.margin:g} or more."
    )


def describe_films(result: BenchResult) -> str:
    """Return which images were used, in words."""
    data, positives = result.data, sum(result.data.positive)
    patients = f" of {data.patients} patients" if data.patients != len(data.films) else ""
    return f"{data.name}, split {data.split}: {len(data.films)} images{patients}, {positives} {result.model.positive}"


def describe_sources(result: BenchResult) -> str:
    """Return the reference's AUC within each source that has both classes, in words; empty where there is none."""
    drift = next((row.drift for row in result.artifacts if row.name == result.reference), None)
    return ", ".join(
        f"{source} {format_interval(part.auc)} ({part.positive_films} + {part.negative_films} images)"
        for source, part in (drift.sources.items() if drift is not None else ())
        if part.auc is not None
    )


def describe_shortcut(result: BenchResult) -> str | None:
    """Return a warning when a source holds one class only: AUC can then measure the source, not the disease."""
    drift = next((row.drift for row in result.artifacts if row.name == result.reference), None)
    if drift is None:
        return None
    single = [name for name, part in drift.sources.items() if not (part.positive_films and part.negative_films)]
    if not single:
        return None
    within = describe_sources(result) or "no source has both"
    return (
        f"read the AUC within a source, not over all images ({drift.auc.value:.3f}): {', '.join(single)} "
        f"hold{'s' * (len(single) == 1)} one class only. A model can reach that AUC by recognising the source. AUC "
        f"within a source: {within}"
    )


def describe_typicality(found: Typicality) -> str:
    """Return how many images are unlike the training images, and for how many the reference says the opposite."""
    return f"{found.untypical}" if found.flips is None else f"{found.untypical}, {found.flips} changed"


def describe_localisation(row: ArtifactResult) -> str | None:
    """Return how well an artifact's heat maps lie on the lesions, in words; None where that is not known."""
    found = None if row.drift is None else row.drift.localisation
    if found is None:
        return None
    change = ""
    if found.energy_change is not None:
        change = (
            f"; against {found.reference} {found.hits_lost} hits lost, {found.hits_gained} gained, "
            f"energy {format_change(found.energy_change)}"
        )
    return (
        f"hottest cell on the lesion in {format_interval(found.hit_rate)} of {found.films} images (chance "
        f"{found.chance_hit_rate:.3f}), {found.energy:.3f} of the map on the lesion (chance "
        f"{found.chance_energy:.3f}){change}"
    )
