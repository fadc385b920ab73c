"""How much longer a training takes at most, judged by the epochs that it has done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cxr_edge.training.options import Stage

__all__ = ["Pace"]

# The work on one image, in forward passes of the whole network. Rough: an estimate needs no more.
_TRAINED = 3.0
_FROZEN = 0.25
_AUGMENTED = 0.25
_FIXED = 0.05


class Pace:
    """Counts the epochs of a training from its start, or from where it was resumed.

    `images` is how many training images each of the `stages` has; `clock` gives the time in seconds.
    """

    def __init__(
        self, stages: Sequence[Stage], images: Sequence[int], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stages = stages
        self._images = images
        self._clock = clock
        self._start_s = clock()
        self._done = 0.0

    def finish_epoch(self, number: int, epoch: int) -> float:
        """Count an epoch of the stage `number` as done and return how many seconds all stages still take at most.

        Stages that end early make it less.
        """
        self._done += self._work(number, epoch)
        left = sum(self._work(number, later) for later in range(epoch + 1, self._stages[number].epochs))
        for next_number in range(number + 1, len(self._stages)):
            left += sum(self._work(next_number, later) for later in range(self._stages[next_number].epochs))
        return (self._clock() - self._start_s) / self._done * left

    def _work(self, number: int, epoch: int) -> float:
        stage = self._stages[number]
        work = _FIXED + _TRAINED * stage.unfreeze
        # The frozen part runs once for each cached copy, in the first epochs.
        if epoch < stage.copies or not stage.copies:
            work += _AUGMENTED + _FROZEN * (1 - stage.unfreeze)
        return work * self._images[number]
