"""Work ahead on threads: order, how far ahead, and what becomes of errors."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from cxr_edge.processes.cores import count_cores
from cxr_edge.processes.prefetch import map_ahead


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_at_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return item * 2

    assert list(map_ahead(slow_at_first, range(50), workers=3)) == [2 * item for item in range(50)]


def test_items_are_made_at_the_same_time() -> None:
    # Each waits for the other, which it would for ever with one worker.
    both = threading.Barrier(2, timeout=10)

    assert len(list(map_ahead(lambda _: both.wait(), range(4), workers=2))) == 4


def test_only_so_many_items_are_taken_ahead() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    results = map_ahead(lambda item: item, items(), workers=2)
    next(results)

    assert len(taken) == 8


def test_an_error_is_raised_in_its_turn() -> None:
    results = map_ahead(lambda item: 6 // item, [3, 0, 1], workers=2)

    assert next(results) == 2
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_threads_end_when_the_results_are_left() -> None:
    results = map_ahead(lambda item: item, range(100), workers=2)
    next(results)
    results.close()  # type: ignore[attr-defined]

    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("cxr-edge-ahead")] == []


def test_count_cores_counts_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert count_cores() == 3


@pytest.mark.parametrize(("told", "cores"), [(64, 64), (None, 1)])
def test_count_cores_outside_linux_is_what_the_system_tells_or_one(
    monkeypatch: pytest.MonkeyPatch, told: int | None, cores: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: told)
    assert count_cores() == cores
