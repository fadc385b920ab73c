"""What the page lists: bundles and their models with what is known of them, and the films that are offered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cxr_edge.system.about import RESEARCH_ONLY, __version__
from cxr_edge.web.models.catalog import Entry, Model
from cxr_edge.web.models.figures import Figures
from cxr_edge.web.samples import OfferedFilm

__all__ = ["BundleRow", "FilmList", "ModelList", "ModelRow"]


@dataclass(frozen=True)
class ModelRow:
    """A model to choose. `figures` are those of bench, then those measured here; `pending` says that they will be."""

    model: Model
    figures: tuple[Figures, ...]
    pending: bool

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that docs/web.md describes."""
        artifact = self.model.artifact
        return {
            "key": self.model.key,
            "title": self.model.title,
            "artifact": artifact.name,
            "format": artifact.format,
            "quantization": artifact.quantization,
            "size_bytes": artifact.size_bytes,
            "figures": [item.to_json() for item in self.figures],
            "sandboxed": not self.model.trusted,
            "pending": self.pending,
        }


@dataclass(frozen=True)
class BundleRow:
    """A bundle and its models."""

    entry: Entry
    models: tuple[ModelRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that docs/web.md describes."""
        manifest = self.entry.bundle.manifest
        return {
            "key": self.entry.key,
            "name": manifest.name,
            "origin": self.entry.origin,
            "architecture": manifest.architecture,
            "labels": list(manifest.labels),
            "positive": manifest.positive,
            "threshold": manifest.threshold,
            "models": [row.to_json() for row in self.models],
        }


@dataclass(frozen=True)
class ModelList:
    """All bundles."""

    bundles: tuple[BundleRow, ...]

    @property
    def pending(self) -> bool:
        """Whether a model is still to be measured."""
        return any(row.pending for bundle in self.bundles for row in bundle.models)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of /api/models."""
        return {
            "bundles": [row.to_json() for row in self.bundles],
            "pending": self.pending,
            "version": __version__,
            "research_only": RESEARCH_ONLY,
        }


@dataclass(frozen=True)
class FilmList:
    """The offered films: `not_listed` are left out of the folder's, and `fault` is why the folder has none."""

    samples: tuple[OfferedFilm, ...]
    folder: tuple[OfferedFilm, ...] = ()
    folder_name: str | None = None
    not_listed: int = 0
    fault: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of /api/films."""
        return {
            "samples": [_film_json(film) for film in self.samples],
            "folder": [_film_json(film) for film in self.folder],
            "folder_name": self.folder_name,
            "not_listed": self.not_listed,
            "folder_fault": self.fault,
        }


def _film_json(film: OfferedFilm) -> dict[str, str | None]:
    return {"key": film.key, "name": film.name, "truth": film.truth or None, "kind": film.kind or None}
