"""Every awkward input of the real set's `odd/` folder, against the behaviour that its manifest wants.

What is in a picture (a dog, a CT slice) is for the classifier's typicality to judge; the decoder reads it, with a
warning where it can tell.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cxr_edge.contract import Pixels
from cxr_edge.errors import ImageError
from cxr_edge.imaging import decoder

# File -> format by content, upright width and height, and the warnings, each by its first words.
READ = {
    "arrows_black_white.png": ("PNG", 709, 676, []),
    "ct_slice.jpg": ("JPEG", 331, 240, []),
    "cxr.jfif": ("JPEG", 1861, 2021, []),
    "cxr.webp": ("WEBP", 685, 513, []),
    "d_blank.png": ("PNG", 512, 512, ["nearly uniform"]),
    "d_cmyk.jpg": ("JPEG", 512, 512, []),
    "d_dx12_mono1.dcm": ("DICOM", 512, 512, []),
    "d_dx12_mono2.dcm": ("DICOM", 512, 512, []),
    "d_exif_rotated.jpg": ("JPEG", 512, 512, []),
    "d_gray16.png": ("PNG", 512, 512, []),
    "d_inverted.png": ("PNG", 512, 512, ["lungs brighter"]),
    "d_reference_512.png": ("PNG", 512, 512, []),
    "infant.jpg": ("JPEG", 844, 480, []),
    "lateral_cxr.jpeg": ("JPEG", 1245, 1240, []),
    "monitor_photo.jpg": ("JPEG", 1690, 1703, []),
    "palette_colour_marks.png": ("PNG", 1269, 1261, ["colour picture"]),
    "png_named_jpg.jpg": ("PNG", 373, 361, []),
    "puppy.jpg": ("JPEG", 980, 652, ["colour picture", "lungs brighter"]),
    "rgba.png": ("PNG", 499, 580, []),
    "rsna_jpeg_mono1_fake.dcm": ("DICOM", 1024, 1024, ["lungs brighter"]),
    "rsna_jpeg_mono2.dcm": ("DICOM", 1024, 1024, []),
    "tiny_156px.png": ("PNG", 157, 156, ["low resolution"]),
    "wrapped_detector.png": ("PNG", 900, 788, []),
}
REFUSED = {
    "ct16_jpegll.dcm": "wrong modality CT, not a projection X-ray",
    "d_truncated.jpg": "the JPEG data are damaged or cut short",
    "d_zero_bytes.png": "the file is empty",
}
# File -> greatest mean difference from the reference's contract pixels, in grey levels of 255. The films of 12 bits
# were made from a finer original and so differ by themselves; JPEG adds its own error.
LIKE_REFERENCE = {
    "d_cmyk.jpg": 0.5,
    "d_dx12_mono1.dcm": 1.0,
    "d_dx12_mono2.dcm": 1.0,
    "d_exif_rotated.jpg": 0.5,
    "d_gray16.png": 1.5,
}


@pytest.fixture(scope="module")
def odd(real_data: Path) -> Path:
    return real_data / "odd"


def read(path: Path) -> decoder.Film:
    if path.suffix == ".dcm":
        pytest.importorskip("pydicom", reason="the extra 'dicom' is not installed")
    return decoder.read(path)


def difference(one: Pixels, other: Pixels) -> npt.NDArray[np.int64]:
    levels: npt.NDArray[np.int64] = np.abs(one.astype(np.int64) - other)
    return levels


def test_every_odd_input_has_its_wanted_behaviour(odd: Path) -> None:
    with (odd / "manifest.csv").open(newline="", encoding="utf-8") as handle:
        listed = {row["file"] for row in csv.DictReader(handle)}
    assert listed == READ.keys() | REFUSED.keys()


@pytest.mark.parametrize("file", READ)
def test_read_takes_odd_input(odd: Path, file: str) -> None:
    kind, width, height, warnings = READ[file]
    film = read(odd / file)
    assert (film.format, film.width_px, film.height_px) == (kind, width, height)
    assert film.pixels.shape == (224, 224, 3)
    assert len(film.warnings) == len(warnings)
    assert all(text.startswith(start) for text, start in zip(film.warnings, warnings, strict=True))


@pytest.mark.parametrize("file", REFUSED)
def test_read_refuses_odd_input_in_one_line(odd: Path, file: str) -> None:
    with pytest.raises(ImageError, match=f"{file}: {REFUSED[file]}; |{file}: {REFUSED[file]} ") as caught:
        read(odd / file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", LIKE_REFERENCE)
def test_read_gives_the_reference_picture(odd: Path, file: str) -> None:
    reference = decoder.read(odd / "d_reference_512.png").pixels
    assert difference(read(odd / file).pixels, reference).mean() <= LIKE_REFERENCE[file]


def test_both_polarities_of_a_dicom_film_give_the_same_picture(odd: Path) -> None:
    assert difference(read(odd / "d_dx12_mono1.dcm").pixels, read(odd / "d_dx12_mono2.dcm").pixels).max() <= 1


def test_monochrome1_is_inverted(odd: Path) -> None:
    as_stored, inverted = (read(odd / f"rsna_jpeg_mono{tag}.dcm").pixels for tag in ("2", "1_fake"))
    assert difference(255 - as_stored, inverted).max() <= 1


@pytest.mark.parametrize("file", ["rgba.png", "png_named_jpg.jpg", "tiny_156px.png", "arrows_black_white.png"])
def test_alpha_changes_nothing_when_opaque(odd: Path, file: str) -> None:
    with Image.open(odd / file) as picture:
        expected = decoder.to_contract(picture.convert("RGB"))
    assert np.array_equal(read(odd / file).pixels, expected)


def test_an_rgba_film_reads_like_its_grey_version(odd: Path) -> None:
    with Image.open(odd / "rgba.png") as picture:
        expected = decoder.to_contract(picture.convert("L"))
    assert difference(read(odd / "rgba.png").pixels, expected).max() <= 1


def test_a_palette_is_resolved_to_its_colours(odd: Path) -> None:
    with Image.open(odd / "palette_colour_marks.png") as picture:
        expected = np.asarray(picture.convert("RGB"))
    assert np.array_equal(np.asarray(decoder.decode(odd / "palette_colour_marks.png")), expected)


def test_lossless_jpeg_is_decoded_when_the_modality_is_right(odd: Path) -> None:
    pydicom = pytest.importorskip("pydicom", reason="the extra 'dicom' is not installed")
    pytest.importorskip("gdcm", reason="the extra 'dicom' is not installed")
    dataset = pydicom.dcmread(odd / "ct16_jpegll.dcm")
    dataset.Modality = "DX"
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    shown = np.asarray(decoder.decode(buffer.getvalue()))
    # The file's window, centre 40 and width 400, takes -160 to 239 to black to white.
    expected = np.clip((dataset.pixel_array - 39.5) / 399.0 + 0.5, 0.0, 1.0) * 255.0
    assert np.array_equal(shown, np.rint(expected))


def test_real_films_give_no_warning(real_data: Path) -> None:
    # Every 30th of the 1501; all of them were measured once (docs/adr/0003-image-decoding.md).
    films = sorted((real_data / "cxr").rglob("*.jpg"))[::30]
    assert [(path.name, decoder.read(path).warnings) for path in films if decoder.read(path).warnings] == []
