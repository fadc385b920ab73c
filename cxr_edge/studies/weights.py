"""Where a study takes the ImageNet weights of each backbone from, and why it has none for some."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cxr_edge.errors import UsageError
from cxr_edge.system import files

__all__ = ["Source", "find"]

# What Keras' own files and ours begin with.
_STEMS = {
    "mobilenetv2": ("mobilenet_v2", "mobilenetv2"),
    "inceptionv3": ("inception_v3", "inceptionv3"),
    "resnet50v2": ("resnet50v2", "resnet50_v2"),
    "xception": ("xception",),
}


@dataclass(frozen=True)
class Source:
    """What `build_classifier` takes as weights, None where there are none, and what the result says of them."""

    weights: str | None
    described: str


def find(text: str, backbone: str) -> Source:
    """Return the weights of a backbone by what --weights says: imagenet, none, a folder of no-top files, or a file.

    A file is taken for the backbone that its name begins with. Raises UsageError for a path that is not there.
    """
    if text in ("imagenet", "none"):
        return Source(text, "ImageNet, by Keras" if text == "imagenet" else "random numbers")
    place = Path(text)
    if not place.exists():
        raise UsageError(f"--weights {text}: no such file or folder; give one, 'imagenet' or 'none'")
    candidates = sorted(place.glob("*.h5")) if place.is_dir() else [place]
    for path in candidates:
        if path.name.casefold().startswith(_STEMS[backbone]):
            return Source(str(path), f"{path.name}, sha256 {files.sha256_file(path)[:16]}…")
    return Source(None, f"no file of {backbone} in --weights; give its no-top ImageNet file to have it compared")
