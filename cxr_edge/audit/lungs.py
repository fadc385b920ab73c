"""Where the lungs are on a film: exactly on a simulated one, by an average chest on a real one.

A lung mask drawn for each real film would need a network, whose own faults would be measured along. So a real film gets
the same simple mask as any other: the places that are lung on at least half of 200 simulated films, which like real
ones differ in patient, breath, position and framing. It is an approximation: it says whether a classifier looks about
where lungs are on most films, not whether it looks at the lungs of this one.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxr_edge.data.dataset import Item
from cxr_edge.imaging.decoder import SIZE_PX
from cxr_edge.phantom import radiograph

__all__ = ["Mask", "average_lungs", "lungs_of"]

Mask = npt.NDArray[np.bool_]

_FILMS = 200
_FIRST_SEED = 1 << 30
_DRAWN_PX = 112


def lungs_of(item: Item) -> tuple[Mask, bool]:
    """Return where the lungs of a film are, (224, 224), and whether that is known exactly."""
    if item.phantom is None:
        return average_lungs(), False
    return _enlarge(radiograph.lungs_of(item.phantom.seed, size_px=2 * _DRAWN_PX)), True


@lru_cache(maxsize=1)
def average_lungs() -> Mask:
    """Return the lungs of an average chest, (224, 224)."""
    count = np.zeros((_DRAWN_PX, _DRAWN_PX))
    for seed in range(_FIRST_SEED, _FIRST_SEED + _FILMS):
        count += radiograph.lungs_of(seed, size_px=_DRAWN_PX)
    mask = _enlarge(count >= _FILMS / 2)
    mask.setflags(write=False)
    return mask


def _enlarge(mask: Mask) -> Mask:
    picture = Image.fromarray(mask.astype(np.uint8) * 255).resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR)
    return np.asarray(picture) >= 128
