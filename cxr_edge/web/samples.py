"""The films that are offered: simulated ones of each kind, and those of the folder given at the start.

A request names a film by a key that was handed out before, never by a path.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cxr_edge.errors import RequestRefusedError, UnsafeFileError
from cxr_edge.imaging import decoder
from cxr_edge.imaging.limits import MAX_FILE_BYTES
from cxr_edge.inference import sources
from cxr_edge.phantom import lesions, sets
from cxr_edge.phantom.sets import FilmSpec
from cxr_edge.system import files

__all__ = ["KINDS", "MOST_LISTED", "Folder", "OfferedFilm", "Samples", "thumbnail"]

KINDS = {
    "covid": "covid",
    "none": "no finding",
    "lobar": "lobar pneumonia",
    "effusion": "effusion",
    "nodules": "nodules",
}
"""What each kind of simulated film is called."""

MOST_LISTED = 500
_LIST_EVERY_S = 1.0
_OF_EACH_KIND = 2
_SIZE_PX = 512
_THUMBNAIL_PX = 240


@dataclass(frozen=True)
class OfferedFilm:
    """A film to choose. `truth` is its true class and `kind` the disease drawn, empty for films of a folder.

    `content` returns the bytes of its file; it may raise DataError.
    """

    key: str
    name: str
    content: Callable[[], bytes]
    truth: str = ""
    kind: str = ""


class Samples:
    """Simulated films of each kind, drawn when first asked for and kept in memory, some hundred kB each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.films = tuple(self._offer(spec) for spec in _choose())

    def find(self, key: str) -> OfferedFilm | None:
        """Return the film `key`, or None."""
        return next((film for film in self.films if film.key == key), None)

    def _offer(self, spec: FilmSpec) -> OfferedFilm:
        draw = functools.cache(lambda: _draw(spec))

        def content() -> bytes:
            # Two requests for one film would draw it twice.
            with self._lock:
                return draw()

        return OfferedFilm(spec.film_id, f"{spec.film_id}.png", content, spec.label, KINDS.get(spec.kind, spec.kind))


class Folder:
    """The films in and below a folder, up to MOST_LISTED of them. A link that leads out of it is not followed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = Path(os.path.realpath(folder))
        self._films: dict[str, OfferedFilm] = {}
        self._lock = threading.Lock()
        self._more = 0
        self._listed_s = -_LIST_EVERY_S

    def list(self) -> tuple[tuple[OfferedFilm, ...], int]:
        """Return the folder's films and how many more there are, a second old at most. Raises DataError without any."""
        # However many ask, the folder is looked through by one thread.
        with self._lock:
            if time.monotonic() - self._listed_s >= _LIST_EVERY_S:
                self._look_through()
                self._listed_s = time.monotonic()
            return tuple(self._films.values()), self._more

    def find(self, key: str) -> OfferedFilm | None:
        """Return the film `key` of the last listing, or None."""
        return self._films.get(key)

    def _look_through(self) -> None:
        inside = [path for path in sources.find_images([self.folder]) if self._is_inside(path)]
        films = [self._offer(path) for path in inside[:MOST_LISTED]]
        self._films = {film.key: film for film in films}
        self._more = len(inside) - len(films)

    def _offer(self, path: Path) -> OfferedFilm:
        key = "folder-" + hashlib.sha256(os.fsencode(path)).hexdigest()[:20]
        return OfferedFilm(key, path.relative_to(self.folder).as_posix(), functools.partial(self._read, path))

    def _read(self, path: Path) -> bytes:
        # Once more, since what was a file may be a link by now.
        if not self._is_inside(path):
            raise UnsafeFileError(f"{path.name}: leads out of the folder of films; copy the film into it")
        return files.read_capped(path, MAX_FILE_BYTES)

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._root)


def find_film(key: str, *shelves: Samples | Folder | None) -> OfferedFilm:
    """Return the film `key` of the first shelf that has it. Raises RequestRefusedError (404)."""
    for shelf in shelves:
        film = shelf.find(key) if shelf is not None else None
        if film is not None:
            return film
    raise RequestRefusedError(404, f"film {key!r}: not one of the listed; reload the page, or see /api/films")


def thumbnail(content: bytes, name: str) -> bytes:
    """Return a small JPEG of a film. Raises ImageError, UnsafeFileError."""
    return encode_jpeg(decoder.decode(content, name=name), _THUMBNAIL_PX)


def encode_jpeg(picture: Image.Image, side_px: int) -> bytes:
    """Return a picture as JPEG, no side over `side_px` pixels."""
    small = picture.copy()
    small.thumbnail((side_px, side_px), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _choose() -> list[FilmSpec]:
    """Return the first films of each kind in the test split, kind by kind."""
    found: dict[str, list[FilmSpec]] = {kind: [] for kind in lesions.KINDS}
    # Every other film is covid, and the other four kinds take turns.
    for spec in sets.specs("test", 2 * _OF_EACH_KIND * (len(found) - 1)):
        if len(found[spec.kind]) < _OF_EACH_KIND:
            found[spec.kind].append(spec)
    return [spec for specs in found.values() for spec in specs]


def _draw(spec: FilmSpec) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(spec.render(size_px=_SIZE_PX).pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
