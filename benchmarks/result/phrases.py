"""Figures in words, the same on the terminal, in Markdown and on the page."""

from __future__ import annotations

from collections.abc import Iterator

from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_result import Estimate
from cxr_edge.benchmarks.result.drift_result import UNDECIDED, Change, Typicality
from cxr_edge.metrics.intervals import Interval

__all__ = [
    "clean",
    "describe_films",
    "describe_flips",
    "describe_localisation",
    "describe_shortcut",
    "describe_sources",
    "describe_typicality",
    "explain_verdicts",
    "format_change",
    "format_estimate",
    "format_interval",
    "format_number",
    "format_p",
    "format_rates",
    "format_ratio",
    "format_times",
    "name_threads",
    "shorten_verdict",
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


def shorten_verdict(outcome: str) -> str:
    """Return the outcome of a verdict in at most 7 letters."""
    return "too few" if outcome == UNDECIDED else outcome


def describe_flips(change: Change, *, reference: str) -> str:
    """Return the flips in words, with McNemar's test."""
    flips = change.flips
    if not flips.count:
        return "no flips"
    leaning = "; the calls lean to one side, so the threshold no longer fits" if flips.p_calls < 0.05 else ""
    return (
        f"{flips.count} flips: {flips.spoiled} that {reference} had right, {flips.corrected} that it had wrong "
        f"(McNemar {format_p(flips.p_correct)}); {flips.to_positive} to positive, {flips.to_negative} to negative "
        f"({format_p(flips.p_calls)}){leaning}"
    )


def explain_verdicts(result: BenchResult) -> Iterator[tuple[ArtifactResult, str, str]]:
    """Yield each compared artifact, its outcome, and the reason with the flips and the sources that lost AUC."""
    for row in result.artifacts:
        if row.drift is not None and row.drift.change is not None:
            verdict = row.drift.change.verdict
            lost = [
                f"within {source} AUC changes by {format_change(part.change)}"
                for source, part in row.drift.sources.items()
                if len(row.drift.sources) > 1 and part.change is not None and part.change.high < 0
            ]
            facts = [verdict.reason, describe_flips(row.drift.change, reference=result.reference), *lost]
            yield row, verdict.outcome, "; ".join(facts)


def describe_films(result: BenchResult) -> str:
    """Return which films were used, in words."""
    data, positives = result.data, sum(result.data.positive)
    patients = f" of {data.patients} patients" if data.patients != len(data.films) else ""
    return (
        f"{data.name}, split {data.split}: {len(data.films)} films{patients}, {positives} of them "
        f"{result.model.positive}"
    )


def describe_sources(result: BenchResult) -> str:
    """Return the reference's AUC within each source that has both classes, in words; empty where there is none."""
    drift = next((row.drift for row in result.artifacts if row.name == result.reference), None)
    return ", ".join(
        f"{source} {format_interval(part.auc)} ({part.positive_films} + {part.negative_films} films)"
        for source, part in (drift.sources.items() if drift is not None else ())
        if part.auc is not None
    )


def describe_shortcut(result: BenchResult) -> str | None:
    """Return a warning where sources hold one class only, so that the AUC of all films may be that of the source."""
    drift = next((row.drift for row in result.artifacts if row.name == result.reference), None)
    if drift is None:
        return None
    single = [name for name, part in drift.sources.items() if not (part.positive_films and part.negative_films)]
    if not single:
        return None
    within = describe_sources(result) or "no source has both"
    return (
        f"{', '.join(single)}: films of one class only, so the AUC of all films, {drift.auc.value:.3f}, may come from "
        f"telling sources apart; within a source it is: {within}"
    )


def describe_typicality(found: Typicality) -> str:
    """Return how many films are unlike the training films, and how many are judged otherwise than by the reference."""
    return f"{found.untypical}" if found.flips is None else f"{found.untypical}, {found.flips} otherwise"


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
        f"hottest cell on the lesion in {format_interval(found.hit_rate)} of {found.films} films (chance "
        f"{found.chance_hit_rate:.3f}), {found.energy:.3f} of the map on it (chance {found.chance_energy:.3f}){change}"
    )
