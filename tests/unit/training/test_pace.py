"""The time left over all stages of a training."""

from __future__ import annotations

import pytest

from cxr_edge.training.options import Stage
from cxr_edge.training.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def stage(epochs: int, unfreeze: float = 0.5, copies: int = 0) -> Stage:
    return Stage(unfreeze=unfreeze, epochs=epochs, learning_rate=1e-3, copies=copies)


def test_equal_epochs_take_equally_long() -> None:
    clock = Clock()
    pace = Pace([stage(4), stage(6)], [10, 10], clock=clock)
    clock.now_s = 5.0
    assert pace.finish_epoch(0, 0) == pytest.approx(9 * 5.0)


def test_a_stage_that_ended_early_counts_no_more() -> None:
    clock = Clock()
    pace = Pace([stage(40), stage(2)], [10, 10], clock=clock)
    clock.now_s = 5.0
    pace.finish_epoch(0, 0)
    clock.now_s = 10.0
    assert pace.finish_epoch(1, 0) == pytest.approx(5.0)


def test_a_stage_that_trains_more_or_has_more_images_takes_longer() -> None:
    clock = Clock()
    few = Pace([stage(1), stage(1)], [10, 10], clock=clock)
    deep = Pace([stage(1), stage(1, unfreeze=1.0)], [10, 10], clock=clock)
    many = Pace([stage(1), stage(1)], [10, 30], clock=clock)
    clock.now_s = 6.0
    assert few.finish_epoch(0, 0) == pytest.approx(6.0)
    assert deep.finish_epoch(0, 0) > 6.0
    assert many.finish_epoch(0, 0) == pytest.approx(18.0)


def test_the_last_epoch_leaves_nothing() -> None:
    assert Pace([stage(1)], [10]).finish_epoch(0, 0) == 0
