"""Are the calibration films fit to learn int8 ranges from? Noise, wrong ranges, one class, films of the test split.

Ranges learned from such films look fine until the model meets a real film, so they are refused before anything is
converted.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from cxr_edge.contract import InputContract, Pixels
from cxr_edge.data.dataset import Dataset, Item
from cxr_edge.errors import DataError
from cxr_edge.export.calibration_set import FilmSet

__all__ = ["correlate_neighbours", "lint"]

_FEW_FILMS = 20
_FEW_SHARE = 0.1
_DIM_LEVEL = 127
# Of 1501 real films the least alike neighbours correlate by 0.89, of 300 simulated ones by 0.94; noise by 0.0 when it
# is drawn pixel by pixel, 0.25 when it was scaled down on its way, 0.75 when it was scaled up by two.
_MIN_CORRELATION = 0.8
_NAMED = 5


def lint(films: FilmSet, dataset: Dataset, *, held_out: tuple[str, ...] = ("test",)) -> list[str]:
    """Return warnings about the calibration films, which were drawn from `dataset`.

    Raises DataError for pixels that are no films (noise, constant, two values, scaled to 0..1, another type), for a
    single class, and for films that are in a `held_out` split by id, by content or by patient.
    """
    where = f"calibration films ({dataset.name}, {films.split})"
    _check_pixels(films, where)
    items = _find_items(films, dataset, where)
    counts = Counter(item.label for item in items)
    if len(counts) < 2:
        raise DataError(
            f"{where}: all {len(items)} are of class {items[0].label}; add films of the other class, whose ranges "
            "would be cut off"
        )
    for split in held_out:
        _refuse_overlap(items, dataset, split, where)
    return _warn(films, items, counts, where)


def _check_pixels(films: FilmSet, where: str) -> None:
    pixels = films.pixels
    wanted = (len(films.item_ids), *InputContract().shape[1:])
    if not films.item_ids or pixels.shape != wanted:
        raise DataError(f"{where}: {len(films.item_ids)} films with pixels of shape {pixels.shape}, not {wanted}")
    if pixels.dtype != np.uint8:
        raise DataError(
            f"{where}: are {pixels.dtype} from {pixels.min():g} to {pixels.max():g}; give the pixels themselves, uint8 "
            "from 0 to 255: all scaling is inside the model"
        )
    if pixels.max() <= 1:
        raise DataError(
            f"{where}: no value is above 1, as if scaled to 0..1; give pixels from 0 to 255: all scaling is inside the "
            "model"
        )
    levels = np.array([np.count_nonzero(np.bincount(film.ravel(), minlength=256)) for film in pixels])
    _refuse_films(levels == 1, films, where, "have one value all over", "remove them")
    _refuse_films(levels == 2, films, where, "have two values only, as a mask has", "give films, not masks")
    _refuse_films(
        correlate_neighbours(pixels) < _MIN_CORRELATION,
        films,
        where,
        "are noise: a pixel tells nothing of its neighbour",
        "calibrate on films, since ranges learned from noise fit no film",
    )


def correlate_neighbours(pixels: Pixels) -> npt.NDArray[np.float64]:
    """Return each film's correlation between neighbouring pixels, (n,): the lesser of that in rows and in columns."""
    results = []
    for film in pixels:
        grey = film.mean(axis=2)
        centred = grey - grey.mean()
        variance = max(float((centred**2).mean()), np.finfo(np.float64).tiny)
        across = float((centred[:, 1:] * centred[:, :-1]).mean())
        down = float((centred[1:] * centred[:-1]).mean())
        results.append(min(across, down) / variance)
    return np.array(results)


def _refuse_films(faulty: npt.NDArray[np.bool_], films: FilmSet, where: str, fact: str, step: str) -> None:
    names = [item_id for item_id, bad in zip(films.item_ids, faulty, strict=True) if bad]
    if names:
        raise DataError(f"{where}: {len(names)} of {len(faulty)} {fact} ({_name_first(names)}); {step}")


def _find_items(films: FilmSet, dataset: Dataset, where: str) -> list[Item]:
    by_id = {item.item_id: item for item in dataset.items}
    unknown = [item_id for item_id in films.item_ids if item_id not in by_id]
    if unknown:
        raise DataError(
            f"{where}: {_name_first(unknown)} not in the data set, so patient and class are unknown; choose from it"
        )
    if len(set(films.item_ids)) < len(films.item_ids):
        twice, _ = Counter(films.item_ids).most_common(1)[0]
        raise DataError(f"{where}: {twice} is there more than once; name each film once")
    return [by_id[item_id] for item_id in films.item_ids]


def _refuse_overlap(items: list[Item], dataset: Dataset, split: str, where: str) -> None:
    held = [item for item in dataset.items if item.split == split]
    ids = {item.item_id for item in held}
    patients = {item.patient_id for item in held}
    held_copies = [group for group in dataset.copies() if ids.intersection(group)]
    copies = {item_id for group in held_copies for item_id in group}
    for what, found in {
        "are films of it": [item.item_id for item in items if item.item_id in ids],
        "are copies of films in it": [item.item_id for item in items if item.item_id in copies],
        "show patients of it": [item.item_id for item in items if item.patient_id in patients],
    }.items():
        if found:
            raise DataError(
                f"{where}: overlap with the split '{split}', {len(found)} {what} ({_name_first(found)}); calibrate on "
                "films of 'train' alone"
            )


def _warn(films: FilmSet, items: list[Item], counts: Counter[str], where: str) -> list[str]:
    warnings = []
    if len(items) < _FEW_FILMS:
        warnings.append(f"{where}: only {len(items)}, which may miss the range of others; give {_FEW_FILMS} or more")
    label, fewest = counts.most_common()[-1]
    if fewest < _FEW_SHARE * len(items):
        warnings.append(f"{where}: only {fewest} of {len(items)} are of class {label}")
    sources = {item.source for item in items}
    if len(sources) == 1:
        warnings.append(f"{where}: all come from one source, {items[0].source or 'unnamed'}; ranges may not fit others")
    if (brightest := int(films.pixels.max())) <= _DIM_LEVEL:
        warnings.append(f"{where}: no value is above {brightest} of 255; brighter films would be cut off")
    return warnings


def _name_first(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
