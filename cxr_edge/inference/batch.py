"""What an artifact answers for many films, with progress."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.contract import Pixels
from cxr_edge.models import open_model
from cxr_edge.system.progress import Progress

__all__ = ["run_films"]


def run_films(
    bundle: Bundle, artifact: Artifact, pixels: Pixels, *, threads: int = 1
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the artifact's outputs by name, (n, size) each, for films (n, 224, 224, 3), run one by one.

    Raises what `models.open_model` raises, and RuntimeFailure.
    """
    runtime = open_model(bundle, artifact, threads=threads)
    parts: dict[str, list[Any]] = {}
    with Progress(f"running {artifact.name}", len(pixels)) as progress:
        for film in pixels:
            for name, values in runtime.run(film[None]).items():
                parts.setdefault(name, []).append(values)
            progress.advance()
    runtime.close()
    return {name: np.concatenate(values) for name, values in parts.items()}
