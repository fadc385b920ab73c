"""Check measured figures against a budget: which limits an artifact misses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cxr_edge.benchmarks.result import phrases
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchOptions, BudgetReport, Miss
from cxr_edge.benchmarks.result.device_result import LatencyReport
from cxr_edge.benchmarks.result.drift_result import PASS, DriftReport
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.errors import UsageError
from cxr_edge.metrics.budget import HAIR, Limits, exceeded

__all__ = ["check", "choose", "choose_margin", "describe"]

_DESCRIBED = 3


def choose_margin(margin: float | None, limits: Limits | None) -> float:
    """Return the margin of the verdict: the one given, else the budget's, else the default."""
    stated = None if limits is None else limits.auc_margin
    return next(value for value in (margin, stated, BenchOptions.margin) if value is not None)


def choose(limits: Limits, artifacts: Sequence[Artifact], margin: float) -> tuple[str, ...]:
    """Return the names of the artifacts that are held to the limits.

    Raises UsageError for a name that is not in the bundle, and when `margin` differs from the budget's.
    """
    if limits.auc_margin is not None and limits.auc_margin != margin:
        raise UsageError(f"the budget's auc_margin is {limits.auc_margin:g} and --margin {margin:g}; give one of them")
    names = {artifact.name for artifact in artifacts}
    if limits.artifacts is None:
        return tuple(artifact.name for artifact in artifacts if artifact.format != "keras")
    for name in limits.artifacts:
        if name not in names:
            raise UsageError(
                f"the budget names '{name}', which is not in the bundle; it has {', '.join(sorted(names))}"
            )
    return limits.artifacts


def check(limits: Limits, rows: Sequence[ArtifactResult], held: Sequence[str]) -> BudgetReport:
    """Hold the rows named in `held` to the limits. An artifact that did not run misses every budget."""
    misses: list[Miss] = []
    for row in rows:
        if row.name in held:
            misses += _check_row(limits, row)
    return BudgetReport(limits.stated(), tuple(held), tuple(misses))


def describe(report: BudgetReport) -> str:
    """Return the first misses in one line, and how many more there are."""
    facts = [f"{miss.artifact}: {miss.fact}" for miss in report.misses[:_DESCRIBED]]
    if len(report.misses) > _DESCRIBED:
        facts.append(f"and {len(report.misses) - _DESCRIBED} more")
    return "; ".join(facts)


def _check_row(limits: Limits, row: ArtifactResult) -> Iterator[Miss]:
    if row.drift is None:
        yield Miss(row.name, "runs", f"it did not run ({row.failures[0] if row.failures else 'not measured'})")
    else:
        yield from (Miss(row.name, *found) for found in _check_drift(limits, row.drift))
    size_mb = row.size_bytes / 1e6
    if limits.size_mb is not None and size_mb > limits.size_mb:
        yield Miss(row.name, "size_mb", f"{size_mb:.2f} MB; the limit is {limits.size_mb:g} MB")
    yield from (Miss(row.name, *found) for found in _check_times(limits, row))


def _check_drift(limits: Limits, drift: DriftReport) -> Iterator[tuple[str, str]]:
    change, films = drift.change, len(drift.scores)
    if change is None:
        return
    yield from exceeded(limits, change.flips.count, films, change.auc.value)
    if limits.auc_margin is not None and change.verdict.outcome != PASS:
        yield "auc_margin", f"{change.verdict.outcome}: {change.verdict.reason}"
    drops = (
        ("sensitivity_drop", limits.sensitivity_drop, change.sensitivity),
        ("specificity_drop", limits.specificity_drop, change.specificity),
    )
    for name, limit, found in drops:
        if limit is not None and -found > limit + HAIR:
            yield name, f"{name.split('_')[0]} changes by {found:+.4f}; the limit is {-limit:g}"


def _check_times(limits: Limits, row: ArtifactResult) -> Iterator[tuple[str, str]]:
    for name in ("p50_ms", "p90_ms", "peak_mib"):
        limit = getattr(limits, name)
        if limit is None:
            continue
        if not row.latencies:
            yield name, f"was not timed, so {name} is unknown"
        for latency in row.latencies:
            found: float = getattr(latency, name)
            if found > limit:
                figure, unit = name.replace("mib", "MiB").split("_")
                yield name, f"{figure} {found:.3g} {unit} on {_name(latency)}; the limit is {limit:g} {unit}"


def _name(latency: LatencyReport) -> str:
    return phrases.name_threads(f"{latency.device} ({latency.kind})", latency.threads)
