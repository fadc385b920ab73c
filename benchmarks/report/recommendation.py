"""Which artifact to ship, by verdict, flips, size and median time, and why the others are left out.

A file is left out when it failed, when its verdict on any device is not "pass", when more images flip than the limit
allows, or when it misses a limit of the budget. The files that are left compete by size and by p50 on one device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cxr_edge.benchmarks.result import phrases
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.device_result import HERE
from cxr_edge.benchmarks.result.drift_result import PASS, DriftReport
from cxr_edge.metrics.budget import HAIR, Budget

__all__ = ["Exclusion", "Place", "Recommendation", "flip_limit", "list_places", "recommend"]

_CLOSE = 1.05
"""Sizes and times whose ratio is below this count as equal: repeated benches differ by about as much."""

Place = tuple[str, int]
"""A device and a thread count on which artifacts were timed."""


@dataclass(frozen=True)
class Exclusion:
    """An artifact that must not be shipped, and why. `passed` says whether its verdict on this machine is a pass."""

    artifact: str
    reason: str
    passed: bool


@dataclass(frozen=True)
class Recommendation:
    """What to ship. `sentence` names the files and says why; `artifacts` holds their names.

    `artifacts` is empty when no file passes. It has two or more names when files are equal, or when one file is the
    smallest and another one the fastest.
    """

    artifacts: tuple[str, ...]
    sentence: str
    excluded: tuple[Exclusion, ...]


@dataclass(frozen=True)
class _Candidate:
    """A file that may be shipped. `p50_ms` is None when it was not timed."""

    name: str
    size_mb: float
    p50_ms: float | None
    flips: int

    def describe(self, where: str = "") -> str:
        size = f"{phrases.format_number(self.size_mb)} MB"
        return size if self.p50_ms is None else f"{size}, p50 {phrases.format_number(self.p50_ms)} ms{where}"


def recommend(result: BenchResult) -> Recommendation:
    """Return which artifact to ship. The Keras model is never a candidate: it is the model before export."""
    places = list_places(result)
    place = places[0] if places else None
    candidates, excluded = [], []
    for row in result.artifacts:
        if row.format == "keras":
            continue
        reason = next(_find_faults(row, result), None)
        if reason is None:
            candidates.append(_make_candidate(row, place))
        else:
            excluded.append(Exclusion(row.name, reason, _has_passed(row)))
    names, sentence = _choose(candidates, "" if place is None else f" on {phrases.name_threads(*place)}")
    return Recommendation(names, sentence, tuple(excluded))


def list_places(result: BenchResult) -> list[Place]:
    """Return where artifacts were timed, the processor of this machine first."""
    places = dict.fromkeys((item.device, item.threads) for row in result.artifacts for item in row.latencies)
    return sorted(places, key=lambda place: place[0] not in HERE)


def flip_limit(result: BenchResult) -> float:
    """Return which part of the images may flip: the budget's limit, or the default of `export` where it has none."""
    stated = None if result.budget is None else result.budget.limits.get("flips")
    return Budget.flips if stated is None else stated


def _find_faults(row: ArtifactResult, result: BenchResult) -> Iterator[str]:
    """Yield each reason not to ship an artifact."""
    if row.drift is None:
        yield "it failed"
        return
    yield from _find_drift_faults(row.drift, result, "")
    for found in row.elsewhere:
        if found.drift is not None:
            yield from _find_drift_faults(found.drift, result, f" on {found.device}")
    if result.budget is not None:
        yield from (f"budget: {miss.fact}" for miss in result.budget.misses if miss.artifact == row.name)


def _find_drift_faults(drift: DriftReport, result: BenchResult, where: str) -> Iterator[str]:
    if drift.change is None:
        return
    outcome, flips, images = drift.change.verdict.outcome, drift.change.flips.count, len(drift.scores)
    if outcome != PASS:
        yield f"verdict {outcome}{where}"
    allowed = int(flip_limit(result) * images + HAIR)
    if flips > allowed:
        yield f"{flips} of {images} images flip{where}; the limit is {allowed} ({100 * flip_limit(result):g} %)"


def _has_passed(row: ArtifactResult) -> bool:
    change = None if row.drift is None else row.drift.change
    return change is not None and change.verdict.outcome == PASS


def _make_candidate(row: ArtifactResult, place: Place | None) -> _Candidate:
    p50_ms = next((item.p50_ms for item in row.latencies if (item.device, item.threads) == place), None)
    change = None if row.drift is None else row.drift.change
    return _Candidate(row.name, row.size_bytes / 1e6, p50_ms, 0 if change is None else change.flips.count)


def _choose(candidates: Sequence[_Candidate], where: str) -> tuple[tuple[str, ...], str]:
    """Return the names of the files to ship, and the sentence that says why."""
    if not candidates:
        return (), "Ship none of these files: none of them passes."
    if len(candidates) == 1:
        only = candidates[0]
        return (only.name,), f"Ship {only.name} ({only.describe(where)}): it is the only file that passes."
    small, fast = _pick_small(candidates), _pick_fast(candidates)
    best = [item for item in small if item in fast] if fast else small
    if not best:
        return _weigh(small, fast, where)
    return _settle(best, timed=bool(fast), where=where)


def _pick_small(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    limit = _CLOSE * min(item.size_mb for item in candidates)
    return [item for item in candidates if item.size_mb < limit]


def _pick_fast(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    limit = _CLOSE * min((_time_ms(item) for item in candidates), default=0.0)
    return [item for item in candidates if item.p50_ms is not None and item.p50_ms < limit]


def _time_ms(item: _Candidate) -> float:
    return float("inf") if item.p50_ms is None else item.p50_ms


def _weigh(small: Sequence[_Candidate], fast: Sequence[_Candidate], where: str) -> tuple[tuple[str, ...], str]:
    """Return the smallest and the fastest file: only the user knows which of the two counts."""
    smallest = min(small, key=lambda item: (_time_ms(item), item.flips))
    fastest = min(fast, key=lambda item: (item.size_mb, item.flips))
    sentence = (
        f"Ship {smallest.name} if size matters more ({smallest.describe()}), or {fastest.name} if speed matters more "
        f"({fastest.describe(where)})."
    )
    return (smallest.name, fastest.name), sentence


def _settle(best: Sequence[_Candidate], *, timed: bool, where: str) -> tuple[tuple[str, ...], str]:
    """Return the file with the fewest flips of those that are equally small and fast, or all where these are equal."""
    fewest = min(item.flips for item in best)
    left = [item for item in best if item.flips == fewest]
    if len(left) > 1:
        names = " or ".join(item.name for item in left)
        equal = "sizes and p50" if timed else "sizes"
        facts = f"their {equal} differ by less than 5 %{where}, and each has {phrases.count_flips(fewest)}"
        return tuple(item.name for item in left), f"Ship {names}: {facts}."
    only = left[0]
    reason = "no other file that passes is more than 5 % smaller" + (" or faster" if timed else "; nothing was timed")
    if len(best) > 1:
        reason += f"; it has the fewest flips ({fewest}) of {len(best)} equal files"
    return (only.name,), f"Ship {only.name} ({only.describe(where)}): {reason}."
