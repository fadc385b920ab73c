"""Percentiles of timed runs, with 95 % intervals that account for the turns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cxr_edge.metrics.intervals import Interval

__all__ = ["POINTS", "percentiles"]

POINTS = (50.0, 90.0, 99.0)

_DRAWS = 1000


def percentiles(turns_ms: Sequence[Sequence[float]], *, seed: int = 0) -> tuple[Interval, ...]:
    """Return p50, p90 and p99 of all runs of all turns together, each with its 95 % interval.

    The percentile is interpolated linearly between the two nearest runs. The interval is the percentile interval of a
    bootstrap in two steps: it draws turns with replacement, then runs of each drawn turn. Runs of one process are
    similar, so an interval from order statistics, which assumes independent runs, would be too narrow.
    """
    turns = [np.asarray(times, dtype=np.float64) for times in turns_ms if len(times)]
    found = np.percentile(np.concatenate(turns), POINTS)
    generator = np.random.default_rng(seed)
    drawn = np.empty((_DRAWS, len(POINTS)))
    for row in drawn:
        chosen = (turns[number] for number in generator.integers(len(turns), size=len(turns)))
        row[:] = np.percentile(np.concatenate([generator.choice(times, len(times)) for times in chosen]), POINTS)
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    # A percentile lies in its own interval, even if few draws reach it.
    return tuple(
        Interval(float(value), float(min(value, start)), float(max(value, end)))
        for value, start, end in zip(found, low, high, strict=True)
    )
