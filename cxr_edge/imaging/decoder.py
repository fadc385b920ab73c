"""The one decoder: PNG, JPEG, WebP or DICOM bytes to the uint8 pixels of the input contract.

A file is read by its content, never by its name, and by the one Pillow plugin of its format: nothing guesses, and no
other parser ever sees the bytes. The size that a header claims is checked before any pixel is decoded.
docs/adr/0003-image-decoding.md has the reasons.
"""

from __future__ import annotations

import codecs
import importlib
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxr_edge.errors import DataError, ImageError, UnsafeFileError
from cxr_edge.imaging.limits import DAMAGE, MAX_FILE_BYTES, MAX_PIXELS, check_size, stretch
from cxr_edge.imaging.quality import find_warnings
from cxr_edge.system import files

__all__ = [
    "SIZE_PX",
    "Film",
    "Pixels",
    "decode",
    "read",
    "read_with_picture",
    "take",
    "to_contract",
]

Pixels = npt.NDArray[np.uint8]

SIZE_PX = 224

# A DICOM file may begin with any 128 bytes, another format's among them, so it comes first.
_KIND = re.compile(
    rb"(?P<DICOM>.{128}DICM)|(?P<JPEG>\xff\xd8\xff)|(?P<PNG>\x89PNG\r\n\x1a\n)|(?P<WEBP>RIFF.{4}WEBP)"
    rb"|(?P<TIFF>II[*+]\0|MM\0[*+])|(?P<BMP>BM.{4}\0{4})|(?P<GIF>GIF8)|(?P<HEIF>.{4}ftyp)|(?P<JPEG2000>\0{3}\x0cjP)"
    rb"|(?P<PDF>%PDF)|(?P<ZIP>PK\x03\x04)|(?P<GZIP>\x1f\x8b)",
    re.DOTALL,
)
_PLUGINS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
}
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, eq=False)
class Film:
    """One film under the input contract.

    `pixels` are (224, 224, 3) uint8 RGB; `width_px` and `height_px` are the upright original's; `format` is that of
    the content ("JPEG", "PNG", "WEBP", "DICOM"); `warnings` are short texts on what may spoil a prediction.
    """

    pixels: Pixels
    width_px: int
    height_px: int
    format: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Decoded:
    image: Image.Image
    format: str
    warnings: tuple[str, ...]


def read(source: Path | bytes, *, name: str | None = None) -> Film:
    """Return the film in a file or in bytes; `name` stands for it in errors. Raises ImageError, UnsafeFileError.

    Reading DICOM raises MissingExtraError where the extra 'dicom' is not installed.
    """
    return read_with_picture(source, name=name)[0]


def read_with_picture(source: Path | bytes, *, name: str | None = None) -> tuple[Film, Image.Image]:
    """Return what `read` and `decode` give, decoded once. Raises what `read` raises."""
    return _finish(_decode(source, name))


def take(picture: Image.Image | npt.NDArray[Any], *, name: str = "picture") -> tuple[Film, Image.Image]:
    """Return what `read_with_picture` gives for a picture that a program holds.

    An array is grey uint8 or uint16 (height, width), or RGB uint8 (height, width, 3). Raises ImageError for any other,
    UnsafeFileError for one that is too large.
    """
    held = picture if isinstance(picture, Image.Image) else _from_array(np.asarray(picture), name)
    check_size(name, *held.size)
    orientation = _orientation(held)
    try:
        image = _to_8_bit(held)
    except DAMAGE as error:
        raise ImageError(f"{name}: a picture of mode {held.mode} cannot be read; convert it to 'L' or 'RGB'") from error
    return _finish(_Decoded(_turn_upright(image, orientation), held.format or "picture", ()))


def decode(source: Path | bytes, *, name: str | None = None) -> Image.Image:
    """Return the upright picture at full size, 8 bit, mode "L" or "RGB". Raises what `read` raises."""
    return _decode(source, name).image


def to_contract(image: Image.Image) -> Pixels:
    """Return an "L" or "RGB" picture as contract pixels (224, 224, 3) uint8: squashed, antialiased, colour kept."""
    # Pillow rounds after each pass and since 13.0 picks their order by size: in two steps the pixels are those of any.
    wide = image.resize((SIZE_PX, image.height), Image.Resampling.BILINEAR)
    small = wide.resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR)
    return np.array(small.convert("RGB"))


def _decode(source: Path | bytes, name: str | None) -> _Decoded:
    name = name or (str(source) if isinstance(source, Path) else "image")
    content = _content(source, name)
    kind = _kind_of(content, name)
    if kind != "DICOM":
        return _decode_picture(content, kind, name)
    from cxr_edge.imaging import dicom

    image, notes = dicom.decode(content, name)
    return _Decoded(image, kind, notes)


def _finish(decoded: _Decoded) -> tuple[Film, Image.Image]:
    pixels, size = to_contract(decoded.image), decoded.image.size
    notes = find_warnings(pixels, *size, grey=decoded.image.mode == "L")
    return Film(pixels, *size, decoded.format, decoded.warnings + notes), decoded.image


def _from_array(values: npt.NDArray[Any], name: str) -> Image.Image:
    grey = values.ndim == 2 and values.dtype in (np.uint8, np.uint16)
    colour = values.ndim == 3 and values.shape[2] == 3 and values.dtype == np.uint8
    if not (grey or colour) or not values.size:
        raise ImageError(
            f"{name}: an array of {values.dtype} {values.shape}; give uint8 or uint16 (height, width), or uint8 "
            "(height, width, 3)"
        )
    return Image.fromarray(stretch(values) if values.dtype == np.uint16 else values)


def _turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _content(source: Path | bytes, name: str) -> bytes:
    if isinstance(source, bytes):
        if len(source) > MAX_FILE_BYTES:
            raise UnsafeFileError(f"{name}: larger than the limit of {MAX_FILE_BYTES / 2**20:.0f} MiB for an image")
        return source
    try:
        return files.read_capped(source, MAX_FILE_BYTES)
    except DataError as error:
        raise ImageError(str(error)) from error


def _kind_of(content: bytes, name: str) -> str:
    """Return the format that the content begins with. Raises ImageError for one that is not read."""
    match = _KIND.match(content)
    kind = str(match.lastgroup) if match else ""
    if kind == "DICOM" or kind in _PLUGINS:
        return kind
    if not content:
        raise ImageError(f"{name}: the file is empty; copy or download it again")
    unknown = "a text file, not an image" if _is_text(content[:1024]) else "not an image of a known format"
    fact = f"a {kind} file, which is not read" if kind else unknown
    raise ImageError(f"{name}: {fact}; give the film as PNG, JPEG, WebP or DICOM")


def _is_text(head: bytes) -> bool:
    try:
        # Incremental, since the last bytes may be part of a character.
        return "\0" not in codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False


def _decode_picture(content: bytes, kind: str, name: str) -> _Decoded:
    picture, frames = _open(content, kind, name)
    notes: tuple[str, ...] = (f"first of {frames} frames",) if frames > 1 else ()
    if kind == "PNG" and content[24] == 16 and content[25] != 0:
        notes += ("16-bit colour cut to its upper 8 bits",)
    orientation = _orientation(picture)
    try:
        image = _to_8_bit(picture)
    except DAMAGE as error:
        # What is beside the pixels, a palette or its transparency, may not fit them.
        raise _damaged(name, kind) from error
    return _Decoded(_turn_upright(image, orientation), kind, notes)


def _open(content: bytes, kind: str, name: str) -> tuple[Image.Image, int]:
    """Return the first frame, decoded, and how many there are. Raises ImageError, UnsafeFileError."""
    # Pillow warns of oddities such as damaged EXIF data. A lasting filter: scoped ones mix up when threads overlap.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    module, plugin = _PLUGINS[kind]
    opener: Callable[[io.BytesIO], Image.Image] = getattr(importlib.import_module(module), plugin)
    try:
        picture = opener(io.BytesIO(content))
        check_size(name, *picture.size)
        picture.load()
        return picture, int(getattr(picture, "n_frames", 1))
    except Image.DecompressionBombError as error:
        raise UnsafeFileError(
            f"{name}: over the limit of {MAX_PIXELS / 1e6:.0f} megapixels; save a smaller copy"
        ) from error
    except DAMAGE as error:
        raise _damaged(name, kind) from error


def _damaged(name: str, kind: str) -> ImageError:
    return ImageError(f"{name}: the {kind} data are damaged or cut short; copy or download the file again")


def _to_8_bit(picture: Image.Image) -> Image.Image:
    """Return any mode that the plugins give as "L" or "RGB"; what is transparent lets a black background through."""
    if picture.mode.startswith("I"):
        return Image.fromarray(stretch(np.asarray(picture)))
    if "transparency" in picture.info and picture.mode in ("1", "L", "P", "RGB"):
        picture = picture.convert("RGBA")
    if picture.mode in ("LA", "RGBA", "PA"):
        opaque = picture.convert("L" if picture.mode == "LA" else "RGB")
        return Image.composite(opaque, Image.new(opaque.mode, opaque.size), picture.getchannel("A"))
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION_TAG, 1))
    except DAMAGE:
        return 1  # Damaged EXIF data say nothing about the pixels, which are whole.
