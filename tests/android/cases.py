"""Films for the tests of the app's Java, each with what cxr_edge/imaging/decoder.py and explain.py make of it."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from cxr_edge.errors import CxrEdgeError
from cxr_edge.imaging import decoder
from cxr_edge.imaging.overlay import overlay
from cxr_edge.phantom.radiograph import render

__all__ = [
    "write_film",
    "write_films",
    "write_grey_jpegs",
    "write_overlays",
    "write_profiles",
    "write_real",
    "write_refused",
]

_WARNINGS = {
    "first of": "FRAMES",
    "16-bit colour": "DEEP_COLOR",
    "low resolution": "LOW_RESOLUTION",
    "colour picture": "COLOR",
    "nearly uniform": "UNIFORM",
    "lungs brighter": "INVERTED",
}
_SIZES = [(224, 224), (225, 223), (448, 448), (1, 1), (1, 500), (640, 5), (97, 131), (300, 240)]
_SIZES += [(1111, 907), (1536, 2048)]
# These lie on both sides of where Pillow resizes the columns first.
_SIZES += [(240, 256), (240, 257), (225, 226), (225, 227), (223, 225), (300, 376)]
_SIZES += [(300, 377), (224, 400), (400, 224), (150, 400), (907, 1111), (700, 1500)]


def grey(width: int, height: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A film-like picture with noise, different under every flip and turn."""
    shades = np.asarray(render(seed, "none").pixels, dtype=np.float64)
    noise = np.random.default_rng(seed).normal(0, 6, (height, width))
    large = np.asarray(Image.fromarray(shades.astype(np.uint8)).resize((width, height)), dtype=np.float64)
    return np.clip(large + noise, 0, 255).astype(np.uint8)


def colour(width: int, height: int, channels: int = 3) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(width).integers(0, 256, (height, width, channels), dtype=np.uint8)


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _warning_code(note: str) -> str:
    return next(code for start, code in _WARNINGS.items() if note.startswith(start))


def write_film(folder: Path, name: str, content: bytes) -> None:
    """Write a film, its facts and contract pixels by Python, and for the platform's formats the decoded pixels."""
    film = decoder.read(content)
    path = folder / name
    path.write_bytes(content)
    warnings = [_warning_code(note) for note in film.warnings]
    facts = f"{film.width_px} {film.height_px} {film.format} {','.join(warnings)}"
    path.with_suffix(".txt").write_text(facts.strip())
    path.with_suffix(".pixels").write_bytes(film.pixels.tobytes())
    if film.format != "PNG":
        with Image.open(io.BytesIO(content)) as raw:
            rgba = raw.convert("RGBA")
        path.with_suffix(".rgba").write_bytes(struct.pack(">II", *rgba.size) + rgba.tobytes())


def write_films(folder: Path) -> int:
    """Write films of many sizes, modes, depths and orientations; return how many."""
    count = 0
    for name, content in _films():
        count += 1
        stem, _, kind = name.rpartition(".")
        write_film(folder, f"{count:03}-{stem}.{kind}", content)
    return count


def _films() -> Iterator[tuple[str, bytes]]:
    for width, height in _SIZES:
        yield f"grey-{width}x{height}.png", encode(Image.fromarray(grey(width, height)), "PNG")
        yield f"rgb-{width}x{height}.png", encode(Image.fromarray(colour(width, height)), "PNG")
    film = Image.fromarray(grey(331, 257))
    for orientation in range(1, 9):
        exif = _turned(orientation)
        yield f"exif-{orientation}.png", encode(film, "PNG", exif=exif)
        yield f"exif-{orientation}.jpg", encode(film, "JPEG", exif=exif)
        yield f"exif-{orientation}.webp", encode(Image.fromarray(colour(150, 90)), "WEBP", exif=exif, lossless=True)
    yield from _png_modes()
    yield "rgb.jpg", encode(Image.fromarray(colour(500, 301)), "JPEG", quality=80)
    yield "cmyk.jpg", encode(Image.fromarray(colour(300, 301)).convert("CMYK"), "JPEG")
    yield "alpha.webp", encode(Image.fromarray(colour(260, 240, 4)), "WEBP", lossless=True)
    frames = [Image.fromarray(grey(240, 230, seed)) for seed in (1, 2)]
    yield "frames.webp", encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    yield "frames.png", encode(frames[0], "PNG", save_all=True, append_images=frames[1:])
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    yield "xmp.jpg", encode(film, "JPEG", xmp=xmp)


def _png_modes() -> Iterator[tuple[str, bytes]]:
    film = grey(301, 233)
    deep = (film.astype(np.uint16) << 4) + 5
    yield "deep.png", encode(Image.fromarray(deep), "PNG")
    yield "deep-in-8-bits.png", encode(Image.fromarray(film.astype(np.uint16)), "PNG")
    yield "uniform.png", encode(Image.new("L", (300, 300), 90), "PNG")
    yield "inverted.png", encode(Image.fromarray(255 - film), "PNG")
    yield "one-bit.png", encode(Image.fromarray(film).convert("1"), "PNG")
    yield "palette.png", encode(Image.fromarray(colour(301, 233)).quantize(200), "PNG")
    for colours, bits in ((2, 1), (4, 2), (16, 4)):
        yield f"palette-{bits}.png", encode(Image.fromarray(colour(301, 233)).quantize(colours), "PNG", bits=bits)
    clear = Image.fromarray(colour(301, 233)).quantize(50)
    yield "palette-clear.png", encode(clear, "PNG", transparency=bytes(range(50)))
    yield "alpha.png", encode(Image.fromarray(colour(301, 233, 4)), "PNG")
    yield "grey-alpha.png", encode(Image.fromarray(colour(301, 233, 2), "LA"), "PNG")
    yield "key-grey.png", encode(Image.fromarray(film), "PNG", transparency=int(film[5, 5]))
    key = tuple(int(value) for value in colour(301, 233)[0, 0])
    yield "key-rgb.png", encode(Image.fromarray(colour(301, 233)), "PNG", transparency=key)
    rng = np.random.default_rng(3)
    for depth, kind, width in ((16, 2, 211), (16, 4, 211), (16, 6, 211), (4, 0, 211), (2, 0, 211), (8, 0, 211)):
        for interlaced in (False, True):
            name = f"hand-{depth}-{kind}-{'interlaced' if interlaced else 'plain'}.png"
            yield name, by_hand(rng, width, 197, depth, kind, interlaced=interlaced)
    for width, height in ((1, 1), (3, 5), (9, 2)):
        yield f"interlaced-{width}x{height}.png", by_hand(rng, width, height, 8, 2, interlaced=True)


def by_hand(rng: np.random.Generator, width: int, height: int, depth: int, kind: int, *, interlaced: bool) -> bytes:
    """A PNG of noise with every row filter, of kinds that Pillow does not write."""
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    samples = {0: 1, 2: 3, 4: 2, 6: 4}[kind]
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b""
    for left, top, across, down in passes:
        columns, count = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0:
            for row in range(max(count, 0)):
                rows += bytes([row % 5]) + rng.bytes((columns * samples * depth + 7) // 8)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced))
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def write_grey_jpegs(folder: Path) -> None:
    """Write grey JPEGs, from whose bytes another decoder starts."""
    for number, (width, height) in enumerate(((300, 240), (1111, 907), (97, 131), (640, 480))):
        for quality in (60, 95):
            content = encode(Image.fromarray(grey(width, height, number)), "JPEG", quality=quality)
            write_film(folder, f"{width}x{height}-{quality}.jpg", content)
    write_film(folder, "exif-6.jpg", encode(Image.fromarray(grey(331, 257)), "JPEG", exif=_turned(6)))
    write_film(folder, "progressive.jpg", encode(Image.fromarray(grey(331, 257)), "JPEG", progressive=True))


def write_refused(folder: Path) -> None:
    """Write what is no film, named for the reason; Python refuses each as well."""
    png = encode(Image.fromarray(grey(300, 240)), "PNG")
    cases = {
        "FILM_EMPTY": [b""],
        "FILM_UNKNOWN": [b"just some text", b"\x89PNG\r\n"],
        "FILM_FORMAT": [
            encode(Image.fromarray(grey(30, 24)), "GIF"),
            encode(Image.fromarray(grey(30, 24)), "TIFF"),
            encode(Image.fromarray(grey(30, 24)), "BMP"),
            b"\0\0\0\x0cjP  \r\n\x87\n",
            b"%PDF-1.7",
            b"PK\x03\x04",
        ],
        "FILM_DAMAGED": [png[: len(png) // 2], png[:20] + b"\xff" + png[21:], png[:60]],
        "FILM_TOO_LARGE": [_header_of(20_000, 20_000)],
    }
    for reason, contents in cases.items():
        for number, content in enumerate(contents):
            try:
                decoder.read(content)
            except CxrEdgeError:
                (folder / f"{number}-{reason}.bin").write_bytes(content)
            else:
                raise AssertionError(f"Python reads case {number} of {reason}")


def _header_of(width: int, height: int) -> bytes:
    rng = np.random.default_rng(0)
    small = by_hand(rng, 8, 8, 8, 0, interlaced=False)
    header = struct.pack(">II", width, height) + small[24:29]
    import zlib

    return small[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + small[33:]


def write_real(source: Path, folder: Path) -> None:
    """Write the real films that both sides read; the others of the folder are refused, or are DICOM."""
    for path in sorted(source.iterdir()):
        content = path.read_bytes()
        try:
            kind = decoder.read(content).format
        except CxrEdgeError:
            continue
        if kind in ("JPEG", "PNG", "WEBP"):
            write_film(folder, f"{path.name}.content", content)


def write_profiles(folder: Path) -> None:
    """Write films with a colour profile, which the app takes out before Android's decoder sees it."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.fromarray(colour(120, 80))
    (folder / "film.jpg").write_bytes(encode(picture, "JPEG", icc_profile=profile, exif=_turned(3)))
    (folder / "film.webp").write_bytes(encode(picture, "WEBP", icc_profile=profile, exif=_turned(3), lossless=True))


def write_overlays(folder: Path) -> None:
    """Write films with random and with extreme maps, and the overlays that explain.py draws."""
    rng = np.random.default_rng(5)
    maps = [rng.random(49).astype(np.float32) for _ in range(4)]
    maps.append((np.arange(49) == 24).astype(np.float32))
    for number, values in enumerate(maps):
        for width, height in ((224, 224), (331, 257), (257, 331), (7, 7), (5, 90), (500, 7), (30, 3), (6, 2)):
            film = colour(width, height)
            path = folder / f"{number}-{width}x{height}.map"
            path.write_bytes(values.astype("<f4").tobytes())
            path.with_suffix(".film").write_bytes(struct.pack(">II", width, height) + film.tobytes())
            marked = overlay(Image.fromarray(film), values)
            path.with_suffix(".overlay").write_bytes(np.asarray(marked).tobytes())
