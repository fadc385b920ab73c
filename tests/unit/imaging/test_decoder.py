"""The decoder's promises on pictures: what is read, how it reaches 8 bits and 224 pixels, and what is refused."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cxr_edge.errors import ImageError, UnsafeFileError
from cxr_edge.imaging import decoder


def gradient(height: int = 240, width: int = 300) -> npt.NDArray[np.uint8]:
    """A grey picture that differs under every flip and turn."""
    values = np.add.outer(np.arange(height) * 2.0, np.arange(width))
    shades: npt.NDArray[np.uint8] = np.rint(values * 255 / values.max()).astype(np.uint8)
    return shades


def chest(*, inverted: bool = False) -> npt.NDArray[np.uint8]:
    """A body, two dark lungs, and the bright band between them."""
    picture = np.full((240, 240), 150, np.uint8)
    picture[50:150, 40:90] = 40
    picture[50:150, 150:200] = 40
    picture[40:240, 100:140] = 230
    return 255 - picture if inverted else picture


def encode(picture: npt.NDArray[Any] | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG by hand, for what Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def decoded(content: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(decoder.decode(content))


def test_read_describes_the_film() -> None:
    film = decoder.read(encode(chest()))
    assert (film.width_px, film.height_px, film.format, film.warnings) == (240, 240, "PNG", ())
    assert film.pixels.shape == (224, 224, 3)
    assert film.pixels.dtype == np.uint8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_read_goes_by_content_when_the_name_says_otherwise(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "film.txt"
    path.write_bytes(encode(gradient(), kind))
    assert decoder.read(path).format == kind


def test_to_contract_squashes_the_whole_picture_with_the_antialiased_bilinear_filter() -> None:
    image = Image.fromarray(gradient(500, 300))
    expected = np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR))
    assert np.array_equal(decoder.to_contract(image), np.stack([expected] * 3, axis=-1))


def test_to_contract_keeps_colour() -> None:
    pixels = decoder.to_contract(Image.new("RGB", (10, 20), (200, 100, 50)))
    assert np.array_equal(pixels, np.full((224, 224, 3), (200, 100, 50), np.uint8))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_decode_turns_the_picture_upright(orientation: int) -> None:
    upright = gradient()
    # How the picture is stored under each orientation, by the EXIF standard.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(np.ascontiguousarray(stored), exif=exif)
    assert np.array_equal(decoded(content), upright)
    assert (decoder.read(content).width_px, decoder.read(content).height_px) == (300, 240)


def test_decode_reads_the_picture_when_its_exif_data_are_damaged() -> None:
    # One entry: the orientation, as the text "up".
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHI", 1, 0x0112, 2, 3) + b"up\0\0" + b"\0" * 4
    content = encode(gradient(), "JPEG", exif=exif)
    assert decoder.decode(content).size == (300, 240)


def test_decode_drops_an_opaque_alpha_channel() -> None:
    opaque = Image.fromarray(gradient()).convert("RGBA")
    assert np.array_equal(decoder.read(encode(opaque)).pixels, decoder.read(encode(gradient())).pixels)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_decode_lays_transparent_pictures_over_black(mode: str) -> None:
    image = Image.new("L", (240, 240), 200).convert(mode)
    image.putalpha(Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 120, axis=1).repeat(240, axis=0)))
    grey = np.asarray(decoder.decode(encode(image)).convert("L"))
    assert (grey[0, 0], grey[0, -1]) == (0, 200)


def test_decode_resolves_a_palette() -> None:
    image = Image.fromarray((gradient() > 128).astype(np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 210, 220])
    colours = decoded(encode(image))
    assert (tuple(colours[0, 0]), tuple(colours[-1, -1])) == ((10, 20, 30), (200, 210, 220))


def test_decode_lays_a_transparent_palette_colour_over_black() -> None:
    image = Image.fromarray((gradient() > 128).astype(np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 210, 220])
    assert tuple(decoded(encode(image, transparency=1))[-1, -1]) == (0, 0, 0)


def test_read_refuses_a_palette_with_more_transparency_than_colours() -> None:
    image = Image.new("P", (64, 64), 1)
    image.putpalette([10, 20, 30, 200, 210, 220])
    held = io.BytesIO()
    image.save(held, "PNG", transparency=bytes(300))
    content = held.getvalue()
    place = content.index(b"tRNS") - 4
    many = bytes(300)
    chunk = struct.pack(">I", len(many)) + b"tRNS" + many + struct.pack(">I", zlib.crc32(b"tRNS" + many))
    size = 12 + struct.unpack_from(">I", content, place)[0]
    with pytest.raises(ImageError, match="the PNG data are damaged"):
        decoder.read(content[:place] + chunk + content[place + size :])


def test_decode_reads_one_bit_pictures_as_black_and_white() -> None:
    bits = gradient() > 128
    assert np.array_equal(decoded(encode(Image.fromarray(bits))), bits * np.uint8(255))


def test_decode_reads_a_cmyk_jpeg_like_its_grey_original() -> None:
    cmyk = Image.fromarray(gradient()).convert("RGB").convert("CMYK")
    difference = decoded(encode(cmyk, "JPEG", quality=95)).astype(int) - gradient()[:, :, np.newaxis]
    assert np.abs(difference).max() <= 8


def test_decode_stretches_16_bit_values_over_their_own_range() -> None:
    deep = 200 + gradient().astype(np.uint16) * 14
    assert np.array_equal(decoded(encode(deep)), gradient())


def test_decode_keeps_8_bit_values_in_a_16_bit_picture() -> None:
    shallow = 20 + gradient() // 2
    assert np.array_equal(decoded(encode(shallow.astype(np.uint16))), shallow)


def test_decode_gives_black_when_every_16_bit_value_is_the_same() -> None:
    assert not decoded(encode(np.full((240, 240), 3000, np.uint16))).any()


def test_read_warns_when_16_bit_colour_loses_its_lower_bits() -> None:
    row = b"\0" + b"".join(struct.pack(">3H", *[column * 160] * 3) for column in range(400))
    film = decoder.read(png(400, 240, 16, 2, row * 240))
    assert film.warnings == ("16-bit colour cut to its upper 8 bits",)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_read_takes_the_first_frame_and_says_so(kind: str) -> None:
    frames = [Image.fromarray(chest()), Image.fromarray(chest(inverted=True))]
    film = decoder.read(encode(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert film.warnings == ("first of 2 frames",)


def test_read_warns_of_low_resolution() -> None:
    film = decoder.read(encode(Image.fromarray(chest()).resize((157, 156))))
    assert film.warnings == ("low resolution (157 x 156 px)",)


def test_read_warns_of_a_nearly_uniform_picture() -> None:
    assert decoder.read(encode(np.zeros((300, 300), np.uint8))).warnings == ("nearly uniform picture",)


def test_read_warns_of_a_colour_picture() -> None:
    tinted = np.stack([chest(), chest() // 2, chest() // 3], axis=-1)
    assert decoder.read(encode(tinted)).warnings == ("colour picture; chest films are grey",)


def test_read_does_not_warn_of_a_small_coloured_mark() -> None:
    marked = np.stack([chest()] * 3, axis=-1)
    marked[:40, :40] = (255, 0, 0)
    assert decoder.read(encode(marked)).warnings == ()


def test_read_warns_of_an_inverted_film() -> None:
    (warning,) = decoder.read(encode(chest(inverted=True))).warnings
    assert "may be inverted" in warning


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_read_refuses_a_truncated_picture(kind: str, share: float) -> None:
    rng = np.random.default_rng(0)
    content = encode(rng.integers(0, 256, (300, 300), np.uint8), kind)
    with pytest.raises(ImageError, match=f"^a.bin: the {kind} data are damaged or cut short; "):
        decoder.read(content[: int(len(content) * share)], name="a.bin")


def test_read_refuses_a_900_megapixel_png_before_decoding_it() -> None:
    content = png(30000, 30000, 8, 0, b"\0" * 1000)
    text = "x.png: 30000 x 30000 pixels is 900 megapixels, over the limit of 40; save a smaller copy of the film"
    with pytest.raises(UnsafeFileError) as caught:
        decoder.read(content, name="x.png")
    assert (str(caught.value), caught.value.exit_code) == (text, 4)


def test_read_refuses_a_jpeg_whose_header_claims_too_much() -> None:
    content = bytearray(encode(gradient(), "JPEG"))
    size_at = content.index(b"\xff\xc0") + 5
    content[size_at : size_at + 4] = struct.pack(">HH", 60000, 60000)
    with pytest.raises(UnsafeFileError, match="60000 x 60000 pixels is 3600 megapixels"):
        decoder.read(bytes(content))


def test_read_refuses_a_webp_whose_canvas_is_too_large() -> None:
    canvas = (16000 - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + canvas + canvas + encode(gradient(), "WEBP")[12:]
    with pytest.raises(UnsafeFileError, match="limit of 40"):
        decoder.read(b"RIFF" + struct.pack("<I", len(body)) + body)


@pytest.mark.parametrize("as_path", [True, False])
def test_read_refuses_a_file_over_the_size_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_path: bool) -> None:
    monkeypatch.setattr(decoder, "MAX_FILE_BYTES", 100)
    path = tmp_path / "film.png"
    path.write_bytes(encode(gradient()))
    with pytest.raises(UnsafeFileError, match="larger than the limit"):
        decoder.read(path if as_path else path.read_bytes())


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "the file is empty"),
        ("path,class\nGrüße\n".encode() * 100, "a text file, not an image"),
        (b"\0\1\2\3" * 40, "not an image of a known format"),
        (b"II*\0" + b"\0" * 20, "a TIFF file, which is not read"),
        (encode(np.zeros((4, 4), np.uint8), "BMP"), "a BMP file, which is not read"),
        (encode(np.zeros((4, 4), np.uint8), "GIF"), "a GIF file, which is not read"),
        (b"\0\0\0\x18ftypheic", "a HEIF file, which is not read"),
        (b"PK\x03\x04rest", "a ZIP file, which is not read"),
    ],
)
def test_read_says_what_a_file_is_that_it_does_not_read(content: bytes, fact: str) -> None:
    with pytest.raises(ImageError, match=f"^film: {fact}; "):
        decoder.read(content, name="film")


def test_read_refuses_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is a folder, not a file"):
        decoder.read(tmp_path)


def test_read_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.png: does not exist"):
        decoder.read(tmp_path / "gone.png")


def test_import_loads_no_decoder() -> None:
    found = "[m for m in sys.modules if 'Plugin' in m or m in ('pydicom', 'gdcm')]"
    code = f"import sys, cxr_edge.imaging.decoder; print({found})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"


def test_reading_a_png_loads_its_plugin_alone(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    path.write_bytes(encode(gradient()))
    code = (
        "import sys, pathlib; from cxr_edge.imaging import decoder; decoder.read(pathlib.Path(sys.argv[1]));"
        "print([m for m in sys.modules if m.endswith('ImagePlugin')])"
    )
    command = [sys.executable, "-c", code, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "['PIL.PngImagePlugin']"


def test_rows_are_resized_before_columns_whatever_the_shape() -> None:
    # Both passes round: on a tall picture the other order, Pillow's own since 13.0, gives other pixels.
    tall = Image.fromarray(np.random.default_rng(0).integers(0, 256, (900, 300), dtype=np.uint8))
    rows_first, columns_first = (
        tall.resize(step, Image.Resampling.BILINEAR).resize((224, 224), Image.Resampling.BILINEAR)
        for step in ((224, 900), (300, 224))
    )
    found = decoder.to_contract(tall)[..., 0]
    assert np.array_equal(found, np.asarray(rows_first))
    assert not np.array_equal(found, np.asarray(columns_first))
