"""Overlays: the map lies where its cells are, in colours that keep their order, and nothing is overwritten."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.errors import DataError, OutputError, UsageError
from cxr_edge.imaging.overlay import color_ramp, overlay
from cxr_edge.inference.classify import Prediction, choose_artifact, classify, decode
from cxr_edge.inference.explain import draw, name_overlay, name_overlays, write, write_each

HEATMAP = np.zeros((7, 7), np.float32)
HEATMAP[1, 5] = 1.0
PREDICTION = Prediction(
    Path("film.png"),
    "covid",
    0.4,
    label="covid",
    probability=0.45,
    probabilities={"covid": 0.45, "noncovid": 0.55},
    untypical=False,
    heatmap=HEATMAP,
)


@pytest.fixture
def grey() -> Image.Image:
    return Image.new("L", (350, 210), 100)


@pytest.fixture
def film(tmp_path: Path, grey: Image.Image) -> Path:
    path = tmp_path / "film.png"
    grey.save(path)
    return path


def with_picture(picture: Image.Image, path: Path = PREDICTION.path) -> Prediction:
    return dataclasses.replace(PREDICTION, path=path, picture=picture)


def change(picture: Image.Image) -> npt.NDArray[np.int64]:
    """Return how far each pixel is from the grey film, (height, width)."""
    far: npt.NDArray[np.int64] = np.abs(np.asarray(picture).astype(np.int64) - 100).sum(axis=2)
    return far


def test_overlay_keeps_size_and_shape_of_the_film(grey: Image.Image) -> None:
    assert (overlay(grey, HEATMAP).size, overlay(grey, HEATMAP).mode) == ((350, 210), "RGB")


def test_overlay_centres_a_hot_cell_on_its_part_of_the_film(grey: Image.Image) -> None:
    weight = change(overlay(grey, HEATMAP))
    rows, columns = np.indices(weight.shape)

    # Cell (1, 5) of a 7x7 grid over 350 x 210 pixels covers columns 250 to 299 and rows 30 to 59.
    assert (columns * weight).sum() / weight.sum() == pytest.approx(274.5, abs=1)
    assert (rows * weight).sum() / weight.sum() == pytest.approx(44.5, abs=1)


def test_overlay_covers_the_corner_with_a_corner_cell(grey: Image.Image) -> None:
    corner = np.zeros((7, 7), np.float32)
    corner[6, 0] = 1.0

    assert change(overlay(grey, corner))[-1, 0] > 100


def test_overlay_leaves_the_film_untouched_where_the_map_is_zero(grey: Image.Image) -> None:
    far = change(overlay(grey, HEATMAP))

    assert far[120:, :150].max() == 0


def test_overlay_takes_the_flat_map_that_a_model_gives(grey: Image.Image) -> None:
    assert overlay(grey, HEATMAP.reshape(49)) == overlay(grey, HEATMAP)


def test_overlay_takes_contract_pixels() -> None:
    assert overlay(np.zeros((224, 224, 3), np.uint8), HEATMAP).size == (224, 224)


def test_overlay_keeps_a_colour_film_in_colour() -> None:
    red = Image.new("RGB", (70, 70), (200, 0, 0))

    assert overlay(red, HEATMAP).getpixel((0, 69)) == (200, 0, 0)


def test_overlay_of_opacity_0_is_the_film(grey: Image.Image) -> None:
    assert overlay(grey, HEATMAP, opacity=0.0) == grey.convert("RGB")


def test_overlay_refuses_a_map_of_another_size(grey: Image.Image) -> None:
    with pytest.raises(DataError, match=r"heat map of shape \(8, 8\)"):
        overlay(grey, np.zeros((8, 8), np.float32))


def test_color_ramp_rises_in_lightness() -> None:
    lightness = color_ramp() @ np.array([0.2126, 0.7152, 0.0722])

    assert np.diff(lightness).min() > -0.5
    assert np.all(np.diff(lightness[::16]) > 2)


def test_draw_adds_a_footer_under_the_film(grey: Image.Image) -> None:
    picture = draw(with_picture(grey))

    assert picture.height >= 210 + 3 * 14
    assert np.asarray(picture)[215:].max() > 200


def test_draw_puts_the_film_beside_its_overlay(grey: Image.Image) -> None:
    assert draw(with_picture(grey), side_by_side=True).width > 2 * 350


def test_draw_adds_a_line_for_an_untypical_film(grey: Image.Image) -> None:
    odd = dataclasses.replace(with_picture(grey), untypical=True)

    assert draw(odd).height > draw(with_picture(grey)).height


def test_draw_makes_a_large_film_smaller_in_its_own_shape() -> None:
    picture = draw(with_picture(Image.new("L", (3000, 1500))))

    assert 1024 <= picture.width <= 1024 + 16
    assert 512 < picture.height < 640


def test_draw_leaves_the_film_it_was_given_as_it_is() -> None:
    film = Image.new("L", (3000, 1500))
    draw(with_picture(film))

    assert film.size == (3000, 1500)


def test_draw_says_that_an_artifact_has_no_heat_map(grey: Image.Image) -> None:
    with pytest.raises(DataError, match=r"film\.png: the artifact gives no heat map"):
        draw(dataclasses.replace(with_picture(grey), heatmap=None))


def test_draw_says_that_the_picture_was_not_kept() -> None:
    with pytest.raises(DataError, match=r"film\.png: its picture was not kept"):
        draw(PREDICTION)


def test_write_leaves_a_png_and_no_temporary_file(grey: Image.Image, tmp_path: Path) -> None:
    write(with_picture(grey), tmp_path / "maps" / "film.png")

    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["film.png"]
    with Image.open(tmp_path / "maps" / "film.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.jpeg", "JPEG"), ("a.JPG", "JPEG"), ("a.webp", "WEBP")]
)
def test_write_takes_the_format_from_the_suffix(grey: Image.Image, tmp_path: Path, name: str, kind: str) -> None:
    write(with_picture(grey), tmp_path / name)

    with Image.open(tmp_path / name) as picture:
        assert (picture.format, picture.mode) == (kind, "RGB")


@pytest.mark.parametrize("name", ["map", "map.gif", "map.dcm"])
def test_write_refuses_another_suffix_and_says_what_to_type(grey: Image.Image, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"must end in \.png, \.jpg, \.jpeg, \.webp; type --out .*map\.png"):
        write(with_picture(grey), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_write_carries_no_metadata_of_the_film(grey: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "DOE^JANE"
    grey.save(tmp_path / "film.jpg", exif=exif, comment=b"DOE^JANE")
    decoded = decode(tmp_path / "film.jpg", keep_picture=True)
    assert decoded.picture is not None
    write(with_picture(decoded.picture, decoded.path), tmp_path / "map.png")

    assert b"DOE" not in (tmp_path / "map.png").read_bytes()
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.info == {}


def test_write_refuses_to_replace_the_film(film: Path, grey: Image.Image, tmp_path: Path) -> None:
    before = film.read_bytes()

    with pytest.raises(UsageError, match="is the film itself"):
        write(with_picture(grey, film), tmp_path / "." / "film.png")
    assert film.read_bytes() == before


def test_write_reports_a_place_that_cannot_be_written(film: Path, grey: Image.Image) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write(with_picture(grey), film / "map.png")


def test_name_overlays_uses_the_name_of_the_film() -> None:
    assert name_overlays([Path("a/x.jpg")], Path("maps")) == {Path("a/x.jpg"): Path("maps/x_heatmap.png")}


def test_name_overlays_tells_films_of_one_name_apart() -> None:
    places = name_overlays([Path("a/x.jpg"), Path("b/X.png"), Path("b/y.png")], Path("maps"))

    # Some file systems take x and X for one name.
    assert len({str(place).casefold() for place in places.values()}) == 3
    assert places[Path("b/y.png")] == Path("maps/y_heatmap.png")


def test_name_overlay_tells_films_of_one_name_apart() -> None:
    assert name_overlay(Path("a/film.png")) != name_overlay(Path("b/film.png"))


def test_write_each_leaves_out_a_film_with_an_error_and_goes_on(film: Path, grey: Image.Image, tmp_path: Path) -> None:
    failed = Prediction(tmp_path / "gone.png", "covid", 0.4, error="gone.png: does not exist")
    drawn = with_picture(grey, film)
    rows = list(write_each([failed, drawn], lambda path: tmp_path / "maps" / name_overlay(path)))

    assert rows == [failed, drawn]
    assert [path.name for path in (tmp_path / "maps").iterdir()] == [name_overlay(film)]


def test_an_overlay_is_drawn_on_the_picture_that_was_classified(film: Path, tmp_path: Path) -> None:
    bundle = Bundle.read(default_bundle_path())
    predictions = classify(bundle, choose_artifact(bundle), [film], keep_pictures=True)
    (prediction,) = predictions
    # What is decoded once needs no file any longer.
    film.unlink()
    write(prediction, tmp_path / "map.png")

    assert prediction.picture is not None
    assert prediction.picture.size == (350, 210)
    assert (tmp_path / "map.png").stat().st_size > 1000


def test_a_picture_is_kept_no_larger_than_overlays_are(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("L", (3000, 1500)).save(path)
    kept = decode(path, keep_picture=True).picture

    assert kept is not None
    assert kept.size == (1024, 512)
    assert decode(path).picture is None
