"""Ranges of activations that lose least: a little of the tail is cut off so that all the rest has finer steps."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import numpy.typing as npt

from cxr_edge.export.convert.base import Ranges
from cxr_edge.export.repair.simulation import list_nodes, quantize_activations, walk

__all__ = ["choose_ranges"]

Maps = npt.NDArray[np.float32]

_BINS = 4096
_SHARES = np.linspace(1.0, 0.3, 71)


def choose_ranges(backbone: keras.Model, films: Maps, progress: Callable[[int, int], None]) -> Ranges:
    """Return the range of every tensor of a folded backbone that becomes 8 bits.

    Each is the share of the tensor's full range whose 8 bits give its values on `films` (n, 224, 224, 3) in [-1, 1]
    back with the least mean squared error. Raises ExportError for a layer that is not simulated.
    """
    nodes = [node for node in list_nodes(backbone) if node.is_quantized]
    full = {node.layer.name: (0.0, 0.0) for node in nodes}

    def widen(name: str, values: Maps) -> None:
        low, high = full[name]
        full[name] = min(low, float(values.min())), max(high, float(values.max()))

    _visit(backbone, films, widen, lambda done: progress(done, 2 * len(films)))
    counts = {name: np.zeros(_BINS) for name in full}

    def count(name: str, values: Maps) -> None:
        counts[name] += np.histogram(values, _BINS, full[name])[0]

    _visit(backbone, films, count, lambda done: progress(len(films) + done, 2 * len(films)))
    return {name: _narrow(full[name], counts[name]) for name in full}


def _visit(backbone: keras.Model, films: Maps, see: Callable[[str, Maps], None], seen: Callable[[int], None]) -> None:
    nodes, done = list_nodes(backbone), 0
    for node, values in walk(backbone, nodes, films):
        if node.is_quantized:
            see(node.layer.name, values)
        if node is nodes[-1]:
            done += len(values)
            seen(done)


def _narrow(full: tuple[float, float], counts: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the share of a range that loses least of the values counted in bins over it."""
    low, high = full
    # As one film, since what runs through films goes a few at a time.
    middles = (low + (np.arange(len(counts)) + 0.5) * (high - low) / len(counts)).astype(np.float32)[None]
    losses = [
        float(np.sum(counts * (quantize_activations(middles, low * share, high * share) - middles) ** 2))
        for share in _SHARES
    ]
    share = float(_SHARES[int(np.argmin(losses))])
    return low * share, high * share
