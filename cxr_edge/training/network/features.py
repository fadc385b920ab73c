"""What a frozen backbone makes of films, computed once and kept: pooled features that a head can be trained on.

A frozen backbone gives the same answer every time, so a hundred trainings of a head cost one pass over the films.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from cxr_edge.contract import Pixels
from cxr_edge.errors import DataError
from cxr_edge.system import files
from cxr_edge.system.progress import Progress
from cxr_edge.training.network.frozen_backbone import Front
from cxr_edge.training.network.model import POOLING

__all__ = ["Floats", "extract", "keep"]

Floats = npt.NDArray[np.float32]

_BATCH = 32
_MAX_BYTES = 2 * 2**30


@dataclass(frozen=True)
class _Kept:
    key: str
    features: Floats


def extract(classifier: keras.Model, pixels: Pixels, label: str) -> Floats:
    """Return the pooled features of films, (n, features); `label` names the work on the progress line."""
    front = Front(keras.Model(classifier.inputs[0], classifier.get_layer(POOLING).output))
    rows = []
    with Progress(label, len(pixels)) as progress:
        for start in range(0, len(pixels), _BATCH):
            batch = pixels[start : start + _BATCH]
            rows.append(front.run(batch))
            progress.advance(len(batch))
    return np.concatenate(rows)


def keep(path: Path, key: str, make: Callable[[], Floats]) -> Floats:
    """Return the features kept in `path` under `key`, a hash of all they depend on, else what `make()` gives, kept.

    Raises OutputError where it cannot be written.
    """
    kept = _read(path)
    if kept is not None and kept.key == key:
        return kept.features
    features = make()
    with files.atomic_write(path) as handle:
        np.savez(handle, allow_pickle=False, key=np.array(key), features=features)
    return features


def _read(path: Path) -> _Kept | None:
    if not path.is_file():
        return None
    try:
        with np.load(io.BytesIO(files.read_capped(path, _MAX_BYTES)), allow_pickle=False) as stored:
            return _Kept(str(stored["key"]), stored["features"])
    except (ValueError, KeyError, OSError, DataError):
        # Damaged: it is made again.
        return None
