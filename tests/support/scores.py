"""Scores of a made-up classifier, drawn from a seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["draw"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def draw(seed: int, *, ties: bool = False) -> tuple[Floats, Floats, Bools]:
    """Return two correlated scores of some films and which of these are positive."""
    rng = np.random.default_rng(seed)
    positive = rng.permutation(np.arange(37) < 14)
    common = rng.normal(size=37) + positive
    first, second = (common + 0.6 * rng.normal(size=37) for _ in range(2))
    return (first.round(), second.round(), positive) if ties else (first, second, positive)
