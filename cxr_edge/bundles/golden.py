"""The file of golden vectors: films, and what each artifact answered for them where the bundle was made.

A film is kept as its very pixels, not only as the seed of a simulated film, because drawing it again would round
differently on another machine. The pixels are stored as differences between rows, which a third less space holds.
"""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge.contract import OUTPUT_SIZES, InputContract, Outputs, Pixels
from cxr_edge.errors import BundleError
from cxr_edge.system.files import sha256_bytes

__all__ = ["UNREADABLE", "VECTORS_NAME", "GoldenArtifact", "GoldenFilm", "GoldenVectors"]

VECTORS_NAME = "golden.npz"

_SCHEMA = 1
_MAX_BYTES = 64 * 2**20
_MAX_ARRAYS = 1000
_SIDE_PX = InputContract().height
UNREADABLE = (
    AttributeError,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy, zipfile and json raise for a file that is not ours or is damaged."""


@dataclass(frozen=True)
class GoldenFilm:
    """A simulated film: what it is drawn from, and the SHA-256 of its pixels (224, 224, 3)."""

    film_id: str
    seed: int
    kind: str
    sha256: str


@dataclass(frozen=True)
class GoldenArtifact:
    """What the artifact with this hash answered, and how far from it (`tolerance`) an answer elsewhere may lie.

    `made_with` names the runtime and machine that the answers come from.
    """

    sha256: str
    tolerance: float
    made_with: str
    outputs: Outputs = dataclasses.field(compare=False)


@dataclass(frozen=True)
class GoldenVectors:
    """Films with their pixels (n, 224, 224, 3) uint8, and the answers of each artifact by its name."""

    films: tuple[GoldenFilm, ...]
    pixels: Pixels
    artifacts: Mapping[str, GoldenArtifact]

    def to_bytes(self) -> bytes:
        """Return the content of golden.npz, the same bytes for the same vectors."""
        facts = {
            "schema": _SCHEMA,
            "films": [dataclasses.asdict(film) for film in self.films],
            "artifacts": {
                name: {"sha256": item.sha256, "tolerance": item.tolerance, "made_with": item.made_with}
                for name, item in self.artifacts.items()
            },
        }
        grey = self.pixels[..., 0]
        arrays: dict[str, npt.NDArray[Any]] = {
            "facts": np.frombuffer(json.dumps(facts, sort_keys=True).encode(), np.uint8),
            "rows": np.diff(grey, axis=1, prepend=np.uint8(0)),
        }
        for name, item in sorted(self.artifacts.items()):
            arrays |= {f"{name}/{output}": values for output, values in item.outputs.items()}
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, values in arrays.items():
                # By name, zipfile gives an entry the date 1980-01-01: the time of writing is not in the bytes.
                with archive.open(f"{name}.npy", "w") as entry:
                    np.lib.format.write_array(entry, values, allow_pickle=False)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, *, where: str) -> GoldenVectors:
        """Read golden.npz. Raises BundleError that names `where`, for a file that is damaged or does not add up."""
        try:
            arrays = _read_arrays(content)
            facts = json.loads(arrays.pop("facts").tobytes().decode())
            if facts["schema"] != _SCHEMA:
                raise ValueError(f"schema {facts['schema']} is not {_SCHEMA}")
            films = tuple(GoldenFilm(**film) for film in facts["films"])
            pixels = _restore_pixels(films, arrays.pop("rows"))
            artifacts = {name: _read_artifact(name, facts["artifacts"][name], arrays) for name in facts["artifacts"]}
            if arrays:
                raise ValueError(f"'{min(arrays)}' belongs to no artifact")
            _check_rows(artifacts, len(films))
        except UNREADABLE as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise BundleError(f"{where}: holds no golden vectors ({reason}); export the bundle again") from error
        return cls(films, pixels, artifacts)


def _read_arrays(content: bytes) -> dict[str, npt.NDArray[Any]]:
    if content.count(b"PK\1\2") > _MAX_ARRAYS:
        raise ValueError(f"more than {_MAX_ARRAYS} arrays")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # The hash in the manifest proves a file unchanged, not that its maker meant well.
        size_bytes = sum(entry.file_size for entry in archive.infolist())
    if size_bytes > _MAX_BYTES:
        raise ValueError(f"{size_bytes / 2**20:.0f} MiB when unpacked, more than {_MAX_BYTES / 2**20:.0f}")
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _restore_pixels(films: tuple[GoldenFilm, ...], rows: npt.NDArray[Any]) -> Pixels:
    if rows.dtype != np.uint8 or rows.shape != (len(films), _SIDE_PX, _SIDE_PX) or not films:
        raise ValueError(f"{len(films)} films, but pixels of {rows.dtype} {rows.shape}")
    grey = np.cumsum(rows, axis=1, dtype=np.uint8)
    pixels: Pixels = np.repeat(grey[..., np.newaxis], InputContract().channels, axis=3)
    for film, own in zip(films, pixels, strict=True):
        if sha256_bytes(own.tobytes()) != film.sha256:
            raise ValueError(f"the pixels of {film.film_id} differ from their sha256")
    return pixels


def _read_artifact(name: str, facts: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> GoldenArtifact:
    outputs = {output: arrays.pop(f"{name}/{output}") for output in OUTPUT_SIZES if f"{name}/{output}" in arrays}
    tolerance = float(facts["tolerance"])
    if "probabilities" not in outputs or not 0 <= tolerance < 1:
        raise ValueError(f"{name} has no probabilities, or a tolerance of {tolerance}")
    return GoldenArtifact(str(facts["sha256"]), tolerance, str(facts["made_with"]), outputs)


def _check_rows(artifacts: Mapping[str, GoldenArtifact], count: int) -> None:
    for name, item in artifacts.items():
        for output, values in item.outputs.items():
            if values.dtype != np.float32 or values.ndim != 2 or len(values) != count or not np.isfinite(values).all():
                raise ValueError(
                    f"{name}/{output} is {values.dtype} {values.shape}, not finite float32 of {count} rows"
                )
