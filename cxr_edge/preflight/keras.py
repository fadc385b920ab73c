"""The structure of a .keras file: a .zip of three files, whose configuration names plain layers and nothing else.

Keras builds whatever its configuration names, and through that has been brought to import modules and call functions.
So only the classes that `cxr-edge train` writes are let through.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cxr_edge.preflight.facts import ArtifactFacts
from cxr_edge.preflight.flatbuffer import Malformed

__all__ = ["check", "check_weights"]

WEIGHTS_NAME = "model.weights.h5"

_NAMES = {"metadata.json", "config.json", WEIGHTS_NAME}
_MAX_BYTES = 512 * 2**20
_MAX_JSON_BYTES = 16 * 2**20
_MAX_RATIO = 100
_ENTRY_MARK = b"PK\1\2"
# A reader of .zip files lists all entries before any of them can be refused.
_MAX_ENTRY_MARKS = 100
_NOT_OURS = "it is no .zip of metadata, configuration and weights alone"
_MAX_ENTRIES = 20_000
_MAX_DEPTH = 16
_LAYERS = {
    "Activation",
    "Add",
    "AveragePooling2D",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "GlobalAveragePooling2D",
    "InputLayer",
    "MaxPooling2D",
    "ReLU",
    "Rescaling",
    "SeparableConv2D",
    "ZeroPadding2D",
}
_CLASSES = {
    "keras": {"DTypePolicy"},
    "keras.layers": _LAYERS,
    "keras.initializers": {"GlorotUniform", "HeNormal", "Ones", "VarianceScaling", "Zeros"},
    "keras.src.models.functional": {"Functional"},
    None: {"__keras_tensor__"},
}
_DAMAGE = (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, ValueError)


def check(content: bytes) -> ArtifactFacts:
    """Return the facts of a .keras file. Raises Malformed with what is wrong."""
    if content.count(_ENTRY_MARK) > _MAX_ENTRY_MARKS:
        raise Malformed(_NOT_OURS)
    used: Counter[str] = Counter()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_entries(archive.infolist())
            weights_bytes = archive.getinfo(WEIGHTS_NAME).file_size
            with archive.open("config.json") as stream:
                config = json.loads(stream.read(_MAX_JSON_BYTES))
        _walk(config, used)
    except RecursionError as error:
        raise Malformed("its configuration is nested too deep") from error
    except Malformed:
        raise
    except _DAMAGE as error:
        raise Malformed(f"it is no sound .zip or JSON ({error})") from error
    return ArtifactFacts("keras", (), (), used, len(content), weights_bytes)


def check_weights(content: bytes) -> None:
    """Check that the HDF5 file in a .keras file keeps all its values in itself. Raises Malformed.

    Reads it with h5py, native code like Keras' own reader.
    """
    import h5py

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            weights = archive.read(WEIGHTS_NAME)
        with h5py.File(io.BytesIO(weights), "r") as stored:
            _walk_group(stored, 0, [0])
    except (KeyError, *_DAMAGE) as error:
        raise error if isinstance(error, Malformed) else Malformed(f"its weights cannot be read ({error})") from error


def _check_entries(entries: Sequence[zipfile.ZipInfo]) -> None:
    if {item.filename for item in entries} != _NAMES or len(entries) != len(_NAMES):
        raise Malformed(_NOT_OURS)
    bomb = any(item.file_size > _MAX_RATIO * max(item.compress_size, 1) for item in entries)
    if bomb or sum(item.file_size for item in entries) > _MAX_BYTES:
        raise Malformed("it unpacks to far more than it holds")


def _walk(value: Any, used: Counter[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _walk(item, used)
    if not isinstance(value, dict):
        return
    if "class_name" in value or "module" in value:
        kind, module = value.get("class_name"), value.get("module")
        known = _CLASSES.get(module, set()) if module is None or isinstance(module, str) else set()
        if not isinstance(kind, str) or kind not in known:
            raise Malformed(f"its configuration names {module}.{kind}, which no classifier of ours uses")
        if kind in _LAYERS:
            used[kind] += 1
    for item in value.values():
        _walk(item, used)


def _walk_group(group: Any, depth: int, seen: list[int]) -> None:
    import h5py

    for name in group:
        seen[0] += 1
        # A link back to a group above would never end.
        if depth > _MAX_DEPTH or seen[0] > _MAX_ENTRIES:
            raise Malformed("its weights are nested too deep, or in a circle")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise Malformed("its weights link to another place or file")
        item = group[name]
        if isinstance(item, h5py.Group):
            _walk_group(item, depth + 1, seen)
        elif item.external or item.is_virtual:
            raise Malformed("some of its weights lie in another file")
