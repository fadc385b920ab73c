"""Golden vectors: what each artifact of a bundle answers for a few simulated films, for `cxr-edge verify` elsewhere."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from cxr_edge.bundles.golden import GoldenArtifact, GoldenFilm, GoldenVectors
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.contract import Pixels
from cxr_edge.errors import ExportError
from cxr_edge.imaging import decoder
from cxr_edge.phantom.sets import FilmSpec, specs
from cxr_edge.runtimes.registry import open_content
from cxr_edge.system import files

__all__ = ["GOLDEN_FILMS", "TOLERANCES", "choose_films", "make"]

GOLDEN_FILMS = 8

TOLERANCES = {
    # Another order of the same sums moved a probability by 1e-5 (XNNPACK against LiteRT's own kernels).
    "none": 1e-4,
    "float32": 1e-4,
    # A processor with half-precision arithmetic may compute in it; elsewhere only the weights are halves (2e-6).
    "float16": 1e-2,
    # Integer sums are exact, so one kernel gives the same answer on every machine, whatever its threads. But float
    # operations stand between them, and where one of those rounds to another side, the step of one integer level grows
    # on its way: a pixel changed by 1 of 255 moved a probability by up to 0.04. Other kernels (LiteRT's own instead
    # of XNNPACK's) moved it by 0.18, and that is to be told.
    "dynamic": 5e-2,
    "int8": 5e-2,
    # Levels 256 times finer: kernels agreed to 1e-7, and the changed pixel gave 3e-5.
    "int16x8": 1e-2,
}
"""How far a probability may lie from its golden value elsewhere, by the name of the artifact's recipe."""


def choose_films() -> list[FilmSpec]:
    """Return the simulated films of the golden vectors; they are in no split of the embedded set."""
    return specs("test", GOLDEN_FILMS, seed=1)


def make(artifacts: Mapping[str, tuple[Artifact, bytes]], films: Sequence[FilmSpec]) -> bytes:
    """Return the content of golden.npz: each artifact is run on the films, on one thread.

    Two calls on one machine give the same bytes. Raises ExportError for an answer that is not finite or a recipe
    without a stated tolerance, RuntimeFailure when an artifact does not run, MissingExtraError without its runtime.
    """
    pixels = np.stack([decoder.to_contract(Image.fromarray(film.render().pixels)) for film in films])
    golden = tuple(
        GoldenFilm(film.film_id, film.seed, film.kind, files.sha256_bytes(own.tobytes()))
        for film, own in zip(films, pixels, strict=True)
    )
    answers = {name: _answer(artifact, content, pixels) for name, (artifact, content) in artifacts.items()}
    return GoldenVectors(golden, pixels, answers).to_bytes()


def _answer(artifact: Artifact, content: bytes, pixels: Pixels) -> GoldenArtifact:
    if artifact.quantization not in TOLERANCES:
        raise ExportError(
            f"{artifact.name}: no tolerance is stated for the recipe '{artifact.quantization}', only for "
            f"{', '.join(TOLERANCES)}; nothing was written"
        )
    runtime = open_content(content, artifact.format, name=artifact.name)
    outputs = runtime.run(pixels)
    info = runtime.info
    runtime.close()
    for output, values in outputs.items():
        if not np.isfinite(values).all():
            raise ExportError(f"{artifact.name}: gives NaN or infinity in '{output}'; nothing was written")
    made_with = f"{info.library} {info.version}, {info.delegate}, {platform.machine()}"
    return GoldenArtifact(artifact.sha256, TOLERANCES[artifact.quantization], made_with, outputs)
