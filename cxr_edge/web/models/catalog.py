"""Every bundle that is offered, and its artifacts as models to choose from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_edge.bundles import trust
from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.bundles.manifest import MANIFEST_NAME, Artifact
from cxr_edge.errors import CxrEdgeError, RequestRefusedError, UsageError
from cxr_edge.system.progress import say
from cxr_edge.system.walk import is_hidden_folder

__all__ = [
    "FOUND",
    "SHIPPED",
    "UPLOADED",
    "Catalog",
    "Entry",
    "Model",
    "find_bundles",
    "make_entry",
    "name_apart",
]

SHIPPED, FOUND, UPLOADED = "shipped", "found", "uploaded"

_DEPTH = 2
_FORMATS = ("tflite", "onnx")
_RECIPES = ("float32", "float16", "int8", "dynamic", "int16x8")


@dataclass(frozen=True)
class Model:
    """One artifact of a bundle that can be run here. `key` names it in requests; `title` is for people.

    `trusted` says that it is our own by its hash and runs in this process; every other one runs in a sandbox.
    """

    key: str
    title: str
    bundle: Bundle
    artifact: Artifact
    origin: str
    trusted: bool


@dataclass(frozen=True)
class Entry:
    """A bundle as it is offered. `key` is short and its own, for two bundles may have one name."""

    key: str
    bundle: Bundle
    origin: str
    models: tuple[Model, ...]


class Catalog:
    """The bundles in their order. Entries are replaced whole, so threads may read while one is added."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = {entry.key: entry for entry in entries}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All bundles, in order."""
        return tuple(self._entries.values())

    @property
    def models(self) -> tuple[Model, ...]:
        """All models of all bundles, in order."""
        return tuple(model for entry in self.entries for model in entry.models)

    def find(self, key: str) -> Model:
        """Return the model `key`. Raises RequestRefusedError (404)."""
        for model in self.models:
            if model.key == key:
                return model
        raise RequestRefusedError(404, f"model {key!r}: not one of the listed; reload the page, or see /api/models")

    def find_entry(self, key: str) -> Entry:
        """Return the bundle `key`. Raises RequestRefusedError (404)."""
        if key not in self._entries:
            raise RequestRefusedError(404, f"bundle {key!r}: not one of the listed; reload the page")
        return self._entries[key]

    def add(self, entry: Entry) -> None:
        """Add a bundle behind the others."""
        self._entries = {**self._entries, entry.key: entry}

    def remove(self, key: str) -> None:
        """Remove a bundle."""
        self._entries = {name: entry for name, entry in self._entries.items() if name != key}


def find_bundles(build: Path, models: Path | None, taken: Sequence[str] = ()) -> list[Entry]:
    """Return the shipped bundle, those below `build`, and those in or below the folder `models`, each once.

    None gets a key that is `taken`. One that cannot be read is told of on stderr and left out. Raises UsageError when
    `models` holds none.
    """
    places = [(default_bundle_path(), SHIPPED), *((path, FOUND) for path in _search(build))]
    if models is not None:
        named = list(_search(models))
        if not named:
            raise UsageError(f"{models}: holds no bundle (a folder with {MANIFEST_NAME}); give one that export wrote")
        places += [(path, FOUND) for path in named]
    entries: dict[Path, Entry] = {}
    for path, origin in places:
        place = path.resolve()
        if place in entries:
            continue
        try:
            bundle = Bundle.read(path)
        except CxrEdgeError as error:
            say(f"cxr-edge: left out: {error}")
            continue
        used = [*taken, *(entry.key for entry in entries.values())]
        entries[place] = make_entry(name_apart(path.name, used), bundle, origin)
    return list(entries.values())


def make_entry(key: str, bundle: Bundle, origin: str) -> Entry:
    """Return a bundle as it is offered: its .tflite and .onnx artifacts, the recipes in their usual order."""
    artifacts = [item for item in bundle.manifest.artifacts.values() if item.format in _FORMATS]
    artifacts.sort(key=lambda item: (_FORMATS.index(item.format), _rank(item.quantization), item.name))
    models = (
        Model(
            key=f"{key}/{item.name}",
            title=f"{key}, {item.quantization} {_spell(item.format)}",
            bundle=bundle,
            artifact=item,
            origin=origin,
            trusted=trust.is_ours(item.sha256),
        )
        for item in artifacts
    )
    return Entry(key, bundle, origin, tuple(models))


def _search(folder: Path, depth: int = _DEPTH) -> Iterator[Path]:
    if (folder / MANIFEST_NAME).is_file() or (folder.suffix == ".zip" and folder.is_file()):
        yield folder
    elif depth and folder.is_dir():
        for sub in sorted(folder.iterdir()):
            if (sub.is_dir() or sub.suffix == ".zip") and not is_hidden_folder(sub.name):
                yield from _search(sub, depth - 1)


def name_apart(name: str, taken: Sequence[str]) -> str:
    """Return a key of plain characters that no other bundle has."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "bundle"
    number, key = 1, plain
    while key in taken:
        number += 1
        key = f"{plain}-{number}"
    return key


def _rank(recipe: str) -> int:
    return _RECIPES.index(recipe) if recipe in _RECIPES else len(_RECIPES)


def _spell(format: str) -> str:
    return {"tflite": "TFLite", "onnx": "ONNX"}.get(format, format)
