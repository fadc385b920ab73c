"""A contact sheet: the same films as they are and as each augmentation shows them to the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cxr_edge.data.dataset import Item, open_dataset
from cxr_edge.errors import UsageError
from cxr_edge.imaging import picture_files
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.training import augment

__all__ = ["SETS", "SheetOptions", "draw_sheet"]

SETS = {"paper": augment.PAPER, "default": augment.DEFAULT, "mild": augment.MILD}
"""The augmentations of the presets, by the names that docs/training.md gives them."""

_CELL_PX = 132
_GAP_PX = 6
_HEAD_PX = 22
_BACK, _INK = (24, 30, 36), (232, 236, 240)


@dataclass(frozen=True)
class SheetOptions:
    """How many films of each class stand on the sheet, and how many copies of each film a row has."""

    data: str
    sets: tuple[str, ...] = tuple(SETS)
    films: int = 2
    copies: int = 7
    seed: int = 0
    positive: str = "covid"


def draw_sheet(options: SheetOptions, out: Path) -> Path:
    """Write the sheet of training images to `out` and return it. Raises UsageError, DataError, OutputError."""
    picture_files.picture_format(out)
    unknown = [name for name in options.sets if name not in SETS]
    if unknown:
        raise UsageError(f"--set {unknown[0]}: unknown; choose from {', '.join(SETS)}")
    training = open_dataset(options.data, positive=options.positive).select(split="train")
    chosen: list[Item] = []
    for label in training.labels:
        chosen += [item for item in training.items if item.label == label][: options.films]
    # The sheet shows each film in a row of its own for every augmentation, so that rows can be compared downwards.
    rows = [(name, item.label, item.pixels()) for item in chosen for name in options.sets]
    width = (options.copies + 1) * (_CELL_PX + _GAP_PX) + _GAP_PX
    height = len(rows) * (_CELL_PX + _HEAD_PX + _GAP_PX) + _HEAD_PX + _GAP_PX
    sheet = Image.new("RGB", (width, height), _BACK)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (name, label, film) in enumerate(rows):
        top = number * (_CELL_PX + _HEAD_PX + _GAP_PX) + _GAP_PX
        pen.text((_GAP_PX, top + 2), f"{label}: the film, then as '{name}' shows it", fill=_INK, font=font)
        seeds = [(options.seed, number, copy) for copy in range(options.copies)]
        changed = augment.augment_batch([film] * options.copies, SETS[name], seeds)
        for place, pixels in enumerate([film, *changed]):
            cell = Image.fromarray(np.asarray(pixels)).resize((_CELL_PX, _CELL_PX), Image.Resampling.BILINEAR)
            sheet.paste(cell, (_GAP_PX + place * (_CELL_PX + _GAP_PX), top + _HEAD_PX))
    pen.text((_GAP_PX, height - _HEAD_PX), RESEARCH_ONLY, fill=_INK, font=font)
    picture_files.save(sheet, out)
    return out
