"""One labelled image of a data set, and how its content becomes pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxr_edge.contract import Pixels
from cxr_edge.errors import DataError
from cxr_edge.imaging import decoder
from cxr_edge.imaging.decoder import SIZE_PX
from cxr_edge.imaging.limits import MAX_FILE_BYTES
from cxr_edge.phantom.sets import FilmSpec
from cxr_edge.system import files

__all__ = ["Item", "read", "to_pixels"]


@dataclass(frozen=True)
class Item:
    """One film. It has a `path`, or else a `phantom` to be drawn; `mask_path` is a picture of its lesions."""

    item_id: str
    label: str
    split: str
    source: str
    patient_id: str
    path: Path | None = None
    phantom: FilmSpec | None = None
    mask_path: Path | None = None

    def pixels(self) -> Pixels:
        """Return the film as the input contract's pixels (224, 224, 3) uint8. Raises ImageError, UnsafeFileError."""
        return to_pixels(self, read(self))

    def mask(self) -> npt.NDArray[np.bool_] | None:
        """Return where the film's lesions are, (224, 224) bool, squashed like its pixels; None if that is not known."""
        if self.phantom is not None:
            lesions = self.phantom.render().mask
        elif self.mask_path is not None:
            lesions = np.asarray(decoder.decode(self.mask_path).convert("L")) > 0
        else:
            return None
        picture = Image.fromarray(lesions.astype(np.uint8) * 255)
        return np.asarray(picture.resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR)) >= 128


def read(item: Item) -> bytes:
    """Return the content of an image's file, or what a simulated one is drawn from. Raises DataError."""
    if item.path is not None:
        return files.read_capped(item.path, MAX_FILE_BYTES)
    if item.phantom is None:
        raise DataError(f"{item.item_id}: has neither a file nor a simulated film; open the data set again")
    return f"phantom {item.phantom.kind} {item.phantom.seed}".encode()


def to_pixels(item: Item, content: bytes) -> Pixels:
    """Return an image of this content as contract pixels (224, 224, 3) uint8. Raises ImageError, UnsafeFileError."""
    if item.phantom is not None:
        return decoder.to_contract(Image.fromarray(item.phantom.render().pixels))
    return decoder.read(content, name=str(item.path)).pixels
