"""The embedded data set: which films a split is made of, and how it is written to disk."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxr_edge.errors import DataError, OutputError
from cxr_edge.phantom.lesions import KINDS
from cxr_edge.phantom.radiograph import PhantomFilm, origin_of, render
from cxr_edge.system import files

__all__ = ["MANIFEST_COLUMNS", "SPLITS", "FilmSpec", "specs", "spread", "write_folder"]

SPLITS = ("train", "val", "test")
MANIFEST_COLUMNS = ("path", "class", "split", "source", "patient_id", "view", "sha256", "mask")

_OTHERS = tuple(kind for kind in KINDS if KINDS[kind] == "noncovid")
_MAX_COUNT = 1 << 24
# Two of each class in each split: with fewer, training has no figures.
_FEWEST_IN_SPLIT = 4


@dataclass(frozen=True)
class FilmSpec:
    """One film of the simulated set, not drawn yet. `source` and `view` follow from the seed, never from the kind."""

    film_id: str
    split: str
    seed: int
    kind: str
    label: str
    source: str
    patient_id: str
    view: str

    def render(self, *, size_px: int = 256) -> PhantomFilm:
        """Draw the film, `size_px` pixels a side."""
        return render(self.seed, self.kind, size_px=size_px)


def specs(split: str, count: int, *, seed: int = 0) -> list[FilmSpec]:
    """Return the first `count` films of `split`: every other one covid, the rest in turn of the other kinds.

    No two splits and no two values of `seed` share a film's seed. Raises DataError for an unknown split or count.
    """
    if split not in SPLITS:
        raise DataError(f"phantom: no split '{split}'; known are {', '.join(SPLITS)}")
    if not 0 <= count <= _MAX_COUNT or seed < 0:
        raise DataError(f"phantom: {count} films of seed {seed} cannot be had; give 0 to {_MAX_COUNT} and a seed >= 0")
    base = (seed * len(SPLITS) + SPLITS.index(split)) * _MAX_COUNT
    return [_specify(split, index, base + index) for index in range(count)]


def spread(count: int) -> dict[str, int]:
    """Return how many of `count` simulated images each split gets: about 4 train, 1 val and 2 test of 7.

    Fewer than 12 are too few to train on, so all of them are in test.
    """
    if count < len(SPLITS) * _FEWEST_IN_SPLIT:
        return {"test": count}
    # Even numbers: a split takes images in pairs, one of each class.
    val = max(_FEWEST_IN_SPLIT, 2 * round(count / 14))
    test = max(_FEWEST_IN_SPLIT, 2 * round(count / 7))
    return {"train": count - val - test, "val": val, "test": test}


def _specify(split: str, index: int, film_seed: int) -> FilmSpec:
    kind = "covid" if index % 2 == 0 else _OTHERS[index // 2 % len(_OTHERS)]
    source, view = origin_of(film_seed)
    return FilmSpec(
        film_id=f"phantom_{split}_{index:05d}",
        split=split,
        seed=film_seed,
        kind=kind,
        label=KINDS[kind],
        source=source,
        patient_id=f"phantom:{split}:{index:05d}",
        view=view,
    )


def write_folder(
    out: Path,
    counts: Mapping[str, int],
    seed: int = 0,
    *,
    size_px: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write `counts[split]` films a split as PNG under `out`, their masks under `out/masks`, and a manifest; return it.

    The manifest is written last: a folder without one is unfinished. `progress` is called with films done and all.
    Raises DataError for an unknown split, OutputError where `out` cannot be written or holds a data set already.
    """
    films = [spec for split, count in counts.items() for spec in specs(split, count, seed=seed)]
    manifest = out / "manifest.csv"
    if manifest.exists():
        raise OutputError(f"{manifest}: already there; choose a new folder or remove that data set first")
    files.prepare_folder(out)
    rows = []
    for done, row in enumerate(_write_films(out, films, size_px), start=1):
        rows.append(row)
        if progress is not None:
            progress(done, len(films))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(MANIFEST_COLUMNS)
    writer.writerows(rows)
    files.write_text(manifest, table.getvalue())
    return manifest


def _write_films(out: Path, films: list[FilmSpec], size_px: int) -> Iterator[tuple[str, ...]]:
    for spec in films:
        film = spec.render(size_px=size_px)
        path = f"{spec.split}/{spec.label}/{spec.film_id}.png"
        mask = f"masks/{spec.split}/{spec.film_id}.png"
        content = _encode_png(film.pixels)
        files.write_bytes(out / path, content)
        files.write_bytes(out / mask, _encode_png(film.mask.astype(np.uint8) * np.uint8(255)))
        digest = files.sha256_bytes(content)
        yield path, spec.label, spec.split, spec.source, spec.patient_id, spec.view, digest, mask


def _encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
