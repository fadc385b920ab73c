"""Pictures written to files: the suffix says the format, whoever writes."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from cxr_edge.errors import UsageError
from cxr_edge.system import files

__all__ = ["picture_format", "save"]

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_SAVE_OPTIONS = {
    # Level 1 takes a quarter of the default's time and a fifth more space.
    "PNG": {"compress_level": 1},
    "JPEG": {"quality": 92},
    "WEBP": {"quality": 92},
}


def picture_format(out: Path) -> str:
    """Return Pillow's name of the format that the suffix of `out` says. Raises UsageError for another suffix."""
    kind = _FORMATS.get(out.suffix.lower())
    if kind is None:
        example = out.with_suffix(".png") if out.name else out / "map.png"
        raise UsageError(f"--out {out}: must end in {', '.join(_FORMATS)}; type --out {example}")
    return kind


def save(picture: Image.Image, out: Path) -> None:
    """Write a picture to `out`, atomically, in the format that the suffix says. Raises UsageError, OutputError."""
    kind = picture_format(out)
    with files.atomic_write(out) as handle:
        picture.save(handle, kind, **_SAVE_OPTIONS[kind])
