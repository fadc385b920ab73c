from __future__ import annotations

import numpy as np
import pytest

from cxr_edge.benchmarks.measure import percentiles as percentiles_module
from cxr_edge.benchmarks.measure.percentiles import percentiles


def test_percentiles_are_of_all_runs_and_lie_in_their_intervals() -> None:
    p50, p90, p99 = percentiles([[float(value) for value in range(1, 52)], [float(value) for value in range(52, 102)]])
    assert (p50.value, p90.value, p99.value) == (51.0, 91.0, 100.0)
    for found in (p50, p90, p99):
        assert found.low <= found.value <= found.high


def test_intervals_are_wide_when_turns_differ_and_narrow_when_they_agree() -> None:
    generator = np.random.default_rng(0)
    alike = [generator.normal(10, 0.1, 100).tolist() for _ in range(4)]
    apart = [generator.normal(mean, 0.1, 100).tolist() for mean in (9, 10, 11, 12)]
    calm, shaken = percentiles(alike)[0], percentiles(apart)[0]
    assert calm.high - calm.low < 0.1
    assert shaken.high - shaken.low > 1


def test_interval_of_the_median_covers_it_at_about_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    # 95 % of fewer draws cover as much, and 30 intervals of 1,000 draws take many seconds.
    monkeypatch.setattr(percentiles_module, "_DRAWS", 200)
    # Turns drawn from a population of turns, as processes are: the true median is 10.
    generator = np.random.default_rng(1)
    covered = 0
    for seed in range(30):
        turns = [generator.normal(generator.normal(10, 0.5), 0.2, 30).tolist() for _ in range(8)]
        found = percentiles(turns, seed=seed)[0]
        covered += found.low <= 10 <= found.high
    assert 25 <= covered <= 30


def test_a_turn_without_runs_does_not_count() -> None:
    assert percentiles([[1.0, 2.0, 3.0], []])[0].value == pytest.approx(2.0)
