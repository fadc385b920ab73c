"""The parts of an audit: cues, the plain classifier, lungs, heat maps, the verdict and the page."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_edge.audit import heatmap_overlap, lungs, page, probe, run, shortcut_features, verdict
from cxr_edge.audit.probe import Finding, Labels
from cxr_edge.audit.result import ModelFinding
from cxr_edge.benchmarks.drift.localisation import cover_cells
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.errors import DataError
from cxr_edge.metrics.intervals import Interval
from cxr_edge.phantom.radiograph import lungs_of, render
from cxr_edge.system.about import RESEARCH_ONLY


def labels_of(positive: np.ndarray, sources: np.ndarray, trained: np.ndarray) -> Labels:
    return Labels(positive, sources, trained)


@pytest.fixture(scope="module")
def confounded() -> Labels:
    """240 films of three sources: `a` all positive, `b` all negative, `m` with both, a third of each held out."""
    sources = np.repeat(np.array(["a", "b", "m"]), 80)
    positive = (sources == "a") | ((sources == "m") & (np.arange(240) % 2 == 0))
    return labels_of(positive, sources, np.arange(240) % 3 != 0)


def test_a_cue_that_tells_the_source_alone_is_found_out(confounded: Labels) -> None:
    look = (confounded.sources == "a") * 1.0 - (confounded.sources == "b") * 1.0
    found, _ = probe.assess("look", look[:, None] + np.random.default_rng(0).normal(0, 0.1, (240, 1)), confounded)
    assert found.pooled.value > 0.8
    assert list(found.within) == ["m"]
    assert found.within["m"].low < 0.5 < found.within["m"].high


def test_a_source_left_out_is_measured_by_a_classifier_that_never_saw_it(confounded: Labels) -> None:
    # The sign is the other way round in `m`, which only a classifier trained on `m` could know.
    sign = np.where(confounded.sources == "m", -1.0, 1.0) * np.where(confounded.positive, 1.0, -1.0)
    found, _ = probe.assess("sign", sign[:, None], confounded)
    assert found.without["m"].value == 0.0


def test_numbers_that_never_vary_tell_nothing(confounded: Labels) -> None:
    found, scores = probe.assess("constant", np.ones((240, 3)), confounded)
    assert found.pooled.value == 0.5
    assert np.isfinite(scores).all()


def test_the_classifier_is_not_trained_on_held_out_films(confounded: Labels) -> None:
    numbers = np.random.default_rng(0).normal(size=(240, 4))
    other = dataclasses.replace(confounded, positive=np.where(confounded.trained, confounded.positive, False))
    _, first = probe.assess("noise", numbers, confounded)
    assert np.array_equal(first, probe.fit_scores(numbers, other.positive, other.trained))


def test_films_without_a_class_to_train_on_are_refused() -> None:
    films = open_dataset("phantom")
    one = dataclasses.replace(films, items=tuple(i for i in films.items if i.label == "covid" or i.split != "train"))
    with pytest.raises(DataError, match="split 'train' has under 2 films of a class"):
        Labels.of(one)


@pytest.fixture(scope="module")
def planes() -> np.ndarray:
    return np.stack([render(seed, "none", size_px=224).pixels for seed in range(6)])


def test_every_cue_gives_finite_numbers_a_row_a_film(planes: np.ndarray) -> None:
    measured = shortcut_features.measure(planes, np.full(6, 0.8))
    assert {name: len(values) for name, values in measured.items()} == dict.fromkeys(measured, 6)
    assert measured["thumbnail 24x24"].shape == (6, 576)
    assert all(np.isfinite(values).all() for values in measured.values())


def test_the_spectrum_falls_when_a_film_is_blurred(planes: np.ndarray) -> None:
    soft = [np.asarray(Image.fromarray(plane).resize((56, 56)).resize((224, 224))) for plane in planes]
    sharp, blurred = (shortcut_features.CUES["radial spectrum"](found) for found in (planes, np.stack(soft)))
    assert (blurred[:, 20:].mean(axis=1) < sharp[:, 20:].mean(axis=1)).all()


def test_marks_are_seen_where_they_stand(planes: np.ndarray) -> None:
    marked = planes.copy()
    marked[:, 4:20, 4:6] = marked[:, 4:20, 10:12] = 255
    before, after = (shortcut_features.CUES["marks at the border"](found) for found in (planes, marked))
    change = after - before
    assert (change[:, 0] > 0.05).all()
    assert np.abs(change[:, 1:]).max() < 0.05


def test_the_histogram_does_not_know_where_a_grey_level_is(planes: np.ndarray) -> None:
    turned = planes[:, :, ::-1]
    first, second = (shortcut_features.CUES["border and histogram"](found)[:, 8:] for found in (planes, turned))
    assert np.allclose(first, second)


def test_the_aspect_ratio_is_that_of_the_filed_picture(tmp_path: Path) -> None:
    films = open_dataset("phantom")
    path = tmp_path / "wide.png"
    Image.new("L", (300, 200), 40).save(path)
    items = (dataclasses.replace(films.items[0], phantom=None, path=path), films.items[1])
    _, aspects = shortcut_features.read_planes(dataclasses.replace(films, items=items))
    assert aspects.tolist() == [1.5, 1.0]


def test_a_simulated_films_lungs_are_dark_air_beside_a_brighter_middle() -> None:
    for seed in range(8):
        film = render(seed, "none", size_px=224)
        mask = lungs_of(seed, size_px=224)
        assert 0.2 < mask.mean() < 0.6
        assert film.pixels[mask].mean() < film.pixels[60:180, 107:117].mean()


def test_disease_does_not_move_the_lungs_and_lies_in_them() -> None:
    for seed in range(8):
        lesion = render(seed, "covid", size_px=224).mask
        inside = (lesion & lungs_of(seed, size_px=224)).sum() / lesion.sum()
        assert inside > 0.85


def test_the_average_chest_fits_simulated_films_it_was_not_made_of() -> None:
    assert heatmap_overlap.measure_average_lungs() > 0.8


def test_a_real_film_gets_the_average_chest_and_says_so(tmp_path: Path) -> None:
    item = dataclasses.replace(open_dataset("phantom").items[0], phantom=None, path=tmp_path / "film.png")
    mask, exact = lungs.lungs_of(item)
    assert not exact
    assert np.array_equal(mask, lungs.average_lungs())


def test_an_even_map_lies_outside_the_lungs_by_their_area_and_in_the_corners_by_theirs() -> None:
    cover = cover_cells(lungs.average_lungs())[None].repeat(5, axis=0)
    seen = heatmap_overlap.look(np.ones((5, 49)), cover, exact=False)
    assert seen is not None
    assert seen.outside.value == pytest.approx(seen.outside_even)
    assert seen.corners.value == pytest.approx(4 / 49)


def test_a_map_on_the_lungs_and_one_in_a_corner_are_told_apart() -> None:
    cover = cover_cells(lungs.average_lungs())
    corner = np.zeros(49)
    corner[0] = 1
    on_lungs, in_corner = (heatmap_overlap.look(value[None], cover[None], exact=False) for value in (cover, corner))
    assert on_lungs is not None
    assert in_corner is not None
    assert on_lungs.outside.value < on_lungs.outside_even / 2
    assert in_corner.corners.value == 1.0


def test_blank_maps_are_counted_and_left_out() -> None:
    cover = np.full((3, 49), 0.5)
    maps = np.ones((3, 49))
    maps[1] = 0
    seen = heatmap_overlap.look(maps, cover, exact=True)
    assert seen is not None
    assert (seen.films, seen.blank) == (2, 1)
    assert heatmap_overlap.look(np.zeros((2, 49)), cover[:2], exact=True) is None


def cue(pooled: tuple[float, float, float], within: tuple[float, float, float] | None) -> Finding:
    return Finding("thumbnail", Interval(*pooled), {"m": Interval(*within)} if within else {}, {})


def test_the_verdict_names_a_data_set_whose_sources_give_the_class_away() -> None:
    lines = verdict.conclude([cue((0.84, 0.79, 0.89), (0.51, 0.35, 0.67))], None)
    assert lines[0].startswith("The data set gives its classes away by their sources.")


def test_the_verdict_does_not_blame_the_source_where_the_cue_works_within_it() -> None:
    lines = verdict.conclude([cue((0.84, 0.79, 0.89), (0.80, 0.70, 0.90))], None)
    assert "either the disease shows in so little, or there is a shortcut inside the source" in lines[0]


def test_the_verdict_says_that_nothing_can_be_told_without_a_mixed_source() -> None:
    lines = verdict.conclude([cue((0.84, 0.79, 0.89), None)], None)
    assert any(line.startswith("No source has both classes") for line in lines)


def test_the_verdict_finds_nothing_where_chance_can_give_it() -> None:
    lines = verdict.conclude([cue((0.55, 0.45, 0.65), (0.5, 0.3, 0.7))], None)
    assert lines[0].startswith("No cue without lung detail was found")


def test_the_verdict_tells_what_of_a_model_is_its_source() -> None:
    change = ("thumbnail", Interval(0.1, -0.1, 0.3))
    found = cue((0.97, 0.95, 0.99), (0.65, 0.5, 0.8))
    model = ModelFinding("mine", "model_int8.tflite", found, {"m": change}, {})
    lines = " ".join(verdict.conclude([cue((0.84, 0.79, 0.89), (0.51, 0.35, 0.67))], model))
    assert "about 0.32 of it comes from telling the sources apart" in lines
    assert "it is not shown to rank films better than 'thumbnail'" in lines


@pytest.fixture(scope="module")
def few() -> Dataset:
    films = open_dataset("phantom")
    counts = {"train": 60, "val": 30, "test": 30}
    items = [item for split, count in counts.items() for item in films.select(split=split).items[:count]]
    return dataclasses.replace(films, items=tuple(items))


@pytest.mark.slow
def test_an_audit_leaves_json_a_page_and_a_picture(few: Dataset, brightness_bundle: Bundle, tmp_path: Path) -> None:
    result = run.audit(few, brightness_bundle)
    written = run.write(result, tmp_path / "audit")
    stored = json.loads(written[0].read_text())
    assert stored["research_only"] == RESEARCH_ONLY
    assert sum(row["positive_films"] + row["negative_films"] for row in stored["sources"]) == 60
    assert set(stored["model"]["heatmaps"]) <= {"covid", "noncovid"}
    assert all(own["lungs"] == "exact" for own in stored["model"]["heatmaps"].values())
    assert stored["verdict"] == list(result.verdict)
    for path in written[1:]:
        assert RESEARCH_ONLY in path.read_text()


@pytest.mark.slow
def test_a_bundle_of_other_classes_is_refused(few: Dataset, brightness_bundle: Bundle) -> None:
    items = tuple(dataclasses.replace(i, label="sick" if i.label == "covid" else "well") for i in few.items)
    other = dataclasses.replace(few, items=items, labels=("sick", "well"), positive="sick")
    with pytest.raises(DataError, match="the bundle tells covid, noncovid; name them alike"):
        run.audit(other, brightness_bundle)


@pytest.mark.slow
def test_the_page_shows_names_as_text_whatever_they_hold(few: Dataset) -> None:
    items = tuple(dataclasses.replace(item, source="<script>alert(1)</script>") for item in few.items)
    result = run.audit(dataclasses.replace(few, items=items, name="<b>films</b>"))
    shown = page.render(result) + page.draw_file(result)
    assert "<script" not in shown
    assert "<b>films" not in shown


def test_an_audit_loads_no_tensorflow() -> None:
    code = "import cxr_edge.audit.run, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"tensorflow", "keras", "matplotlib", "cxr_edge.training"} & set(loaded) == set()
