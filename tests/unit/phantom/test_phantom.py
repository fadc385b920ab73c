"""The simulated films: the same bytes for the same seed, disease where it belongs, and no shortcut in the style."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cxr_edge.errors import DataError, OutputError
from cxr_edge.phantom import sets
from cxr_edge.phantom.lesions import KINDS, LOW_SEVERITY
from cxr_edge.phantom.radiograph import render, style_of
from cxr_edge.phantom.sets import MANIFEST_COLUMNS, SPLITS, FilmSpec, write_folder
from cxr_edge.phantom.style import SOURCES
from cxr_edge.system.files import sha256_file

SIZE_PX = 96
FEW = 200


@dataclasses.dataclass(frozen=True)
class Films:
    """Films of one split, small, with what is known of each."""

    pixels: npt.NDArray[np.uint8]
    covid: npt.NDArray[np.bool_]
    specs: list[FilmSpec]


@pytest.fixture(scope="module")
def films() -> Films:
    chosen = sets.specs("train", FEW)
    pixels = np.stack([spec.render(size_px=SIZE_PX).pixels for spec in chosen])
    return Films(pixels, np.array([spec.label == "covid" for spec in chosen]), chosen)


def auc(score: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    above = score[positive][:, None] - score[~positive][None, :]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_render_gives_same_bytes_for_same_arguments(kind: str) -> None:
    first, second = (render(5, kind, size_px=SIZE_PX) for _ in range(2))
    assert first.pixels.tobytes() == second.pixels.tobytes()
    assert first.mask.tobytes() == second.mask.tobytes()


def test_render_differs_between_seeds() -> None:
    first, second = (render(seed, "none", size_px=SIZE_PX).pixels for seed in (1, 2))
    assert np.abs(first.astype(int) - second).mean() > 5


@pytest.mark.parametrize("size_px", [64, 99, 224, 256, 320])
def test_render_returns_grey_film_and_mask_of_asked_size(size_px: int) -> None:
    film = render(3, "covid", size_px=size_px)
    assert film.pixels.shape == film.mask.shape == (size_px, size_px)
    assert film.pixels.dtype == np.uint8
    assert film.mask.dtype == np.bool_


def test_render_shows_same_lesion_at_any_size() -> None:
    small, large = (render(12, "lobar", size_px=size_px).mask.mean() for size_px in (128, 320))
    assert small == pytest.approx(large, abs=0.015)


def test_render_draws_dark_lungs_beside_bright_heart() -> None:
    middle = []
    for seed in range(12):
        pixels = render(seed, "none", size_px=SIZE_PX).pixels.astype(float)
        right_lung, heart = pixels[38:56, 22:34].mean(), pixels[58:66, 46:56].mean()
        middle.append(heart - right_lung)
    assert min(middle) > 20


def test_none_has_empty_mask_and_no_severity() -> None:
    film = render(9, "none", size_px=SIZE_PX)
    assert not film.mask.any()
    assert film.severity == 0


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_lesion_brightens_its_mask_and_little_else(kind: str) -> None:
    inside, outside = [], []
    for seed in range(8):
        healthy, ill = (render(seed, one, size_px=SIZE_PX) for one in ("none", kind))
        change = ill.pixels.astype(float) - healthy.pixels
        inside.append(change[ill.mask].mean())
        outside.append(abs(change[~ill.mask].mean()))
    assert np.mean(inside) > 4
    assert np.mean(outside) < np.mean(inside) / 4


def test_every_lesion_has_a_mask() -> None:
    for spec in sets.specs("val", 60):
        film = spec.render(size_px=64)
        assert film.mask.any() == (spec.kind != "none"), spec


def test_covid_is_bilateral_and_lobar_is_not() -> None:
    both = dict.fromkeys(("covid", "lobar"), 0)
    for kind in both:
        for seed in range(25):
            mask = render(seed, kind, size_px=64).mask
            halves = sorted((mask[:, :32].sum(), mask[:, 32:].sum()))
            both[kind] += int(halves[0] > 0.05 * halves[1])
    assert both["covid"] >= 20
    assert both["lobar"] <= 5


def test_covid_severity_reaches_from_faint_to_severe() -> None:
    severity = [render(seed, "covid", size_px=64).severity for seed in range(60)]
    assert min(severity) >= LOW_SEVERITY
    assert min(severity) < LOW_SEVERITY + 0.12
    assert max(severity) > 0.7


def test_style_does_not_depend_on_kind() -> None:
    styles = {render(21, kind, size_px=64).style for kind in KINDS}
    assert styles == {style_of(21)}


@pytest.mark.parametrize("kind", ["", "pneumonia", "COVID"])
def test_render_rejects_unknown_kind(kind: str) -> None:
    with pytest.raises(DataError, match="known are covid, none"):
        render(1, kind)


@pytest.mark.parametrize(("seed", "size_px"), [(-1, 256), (1, 63), (1, 2049), (1, 0)])
def test_render_rejects_bad_seed_or_size(seed: int, size_px: int) -> None:
    with pytest.raises(DataError, match="phantom: "):
        render(seed, "none", size_px=size_px)


@pytest.mark.parametrize(
    ("count", "counts"),
    [
        (1, {"test": 1}),
        (11, {"test": 11}),
        (12, {"train": 4, "val": 4, "test": 4}),
        (100, {"train": 58, "val": 14, "test": 28}),
        (1050, {"train": 600, "val": 150, "test": 300}),
    ],
)
def test_spread_fills_every_split_where_there_are_enough(count: int, counts: dict[str, int]) -> None:
    assert sets.spread(count) == counts


def test_specs_are_half_covid_and_spread_the_rest() -> None:
    kinds = [spec.kind for spec in sets.specs("train", 80)]
    assert kinds.count("covid") == 40
    assert {kinds.count(kind) for kind in KINDS if kind != "covid"} == {10}


def test_specs_of_a_longer_set_begin_like_the_shorter() -> None:
    assert sets.specs("test", 30)[:12] == sets.specs("test", 12)


def test_specs_share_no_seed_patient_or_film_between_splits_and_sets() -> None:
    groups = [sets.specs(split, 50, seed=seed) for split in SPLITS for seed in (0, 1)]
    assert len({spec.seed for group in groups for spec in group}) == 50 * len(groups)
    firsts = [spec for group in groups[::2] for spec in group]
    assert len({spec.patient_id for spec in firsts}) == len({spec.film_id for spec in firsts}) == len(firsts)


def test_specs_name_patient_source_and_view_of_the_film() -> None:
    spec = sets.specs("train", 13)[12]
    assert spec.patient_id == "phantom:train:00012"
    assert (spec.source, spec.view) == (spec.render(size_px=64).style.source, spec.render(size_px=64).style.view)


@pytest.mark.parametrize(("split", "count", "seed"), [("dev", 3, 0), ("train", -1, 0), ("train", 3, -1)])
def test_specs_reject_unknown_split_or_count(split: str, count: int, seed: int) -> None:
    with pytest.raises(DataError, match="phantom: "):
        sets.specs(split, count, seed=seed)


def test_source_and_view_do_not_tell_the_class(films: Films) -> None:
    for source in SOURCES:
        assert 0.4 < auc(np.array([spec.source == source for spec in films.specs], float), films.covid) < 0.6
    assert 0.4 < auc(np.array([spec.view == "AP" for spec in films.specs], float), films.covid) < 0.6


@pytest.mark.parametrize(
    "region",
    [
        pytest.param((slice(0, 3), slice(None)), id="top border"),
        pytest.param((slice(-3, None), slice(None)), id="bottom border"),
        pytest.param((slice(None), slice(0, 3)), id="left border"),
        pytest.param((slice(None), slice(-3, None)), id="right border"),
        pytest.param((slice(0, 12), slice(0, 12)), id="thumbnail corner, top left"),
        pytest.param((slice(0, 12), slice(-12, None)), id="thumbnail corner, top right"),
        pytest.param((slice(-12, None), slice(0, 12)), id="thumbnail corner, bottom left"),
        pytest.param((slice(-12, None), slice(-12, None)), id="thumbnail corner, bottom right"),
        pytest.param((slice(0, 14), slice(None)), id="neck and shoulders"),
    ],
)
@pytest.mark.parametrize("statistic", [np.mean, np.std, np.max], ids=["mean", "spread", "brightest"])
def test_what_lies_outside_the_lungs_does_not_tell_the_class(
    films: Films, region: tuple[slice, slice], statistic: Callable[[npt.NDArray[np.uint8]], float]
) -> None:
    score = np.array([statistic(pixels[region]) for pixels in films.pixels], float)
    assert 0.4 < auc(score, films.covid) < 0.6


def test_write_folder_lists_every_film_with_its_hash_and_mask(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    manifest = write_folder(
        tmp_path, {"train": 3, "test": 2}, 4, size_px=64, progress=lambda done, total: calls.append((done, total))
    )
    with manifest.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    assert [row["split"] for row in rows] == ["train"] * 3 + ["test"] * 2
    assert calls == [(done, 5) for done in range(1, 6)]
    for row, spec in zip(rows, sets.specs("train", 3, seed=4) + sets.specs("test", 2, seed=4), strict=True):
        film = spec.render(size_px=64)
        assert sha256_file(tmp_path / row["path"]) == row["sha256"]
        assert np.array_equal(np.asarray(Image.open(tmp_path / row["path"])), film.pixels)
        assert np.array_equal(np.asarray(Image.open(tmp_path / row["mask"])) > 0, film.mask)
        assert (row["class"], row["patient_id"]) == (spec.label, spec.patient_id)


def test_write_folder_refuses_a_file_in_the_way(tmp_path: Path) -> None:
    blocked = tmp_path / "out"
    blocked.write_text("")
    with pytest.raises(OutputError, match="out: cannot be written"):
        write_folder(blocked, {"train": 1}, size_px=64)
    assert blocked.read_text() == ""


def test_write_folder_checks_splits_before_writing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no split 'dev'"):
        write_folder(tmp_path / "out", {"train": 1, "dev": 1}, size_px=64)
    assert not (tmp_path / "out").exists()


def test_write_folder_refuses_to_replace_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,class\n")
    with pytest.raises(OutputError, match=r"manifest\.csv: already there"):
        write_folder(tmp_path, {"train": 1}, size_px=64)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.csv"]
