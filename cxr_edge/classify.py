"""Films to predictions, one at a time.

A film that cannot be read is a prediction with an error and never stops the rest. Nothing is kept between films, so
memory stays flat however many there are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge import images, runtimes
from cxr_edge.bundle import Artifact, Bundle, Manifest
from cxr_edge.errors import BundleError, CxrEdgeError, DataError, RuntimeFailure

__all__ = [
    "HEATMAP_SHAPE",
    "Prediction",
    "choose_artifact",
    "classify",
    "exit_code",
    "find_images",
    "predict",
]

HEATMAP_SHAPE = (7, 7)

_PREFERRED = ("model_int8.tflite", "model_float32.tflite")


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the classifier says of the film at `path`, or the `error` that kept it from saying anything.

    `label` is the manifest's positive class where its `probability` reaches the threshold. `untypical` says that the
    film is unlike the training films; it is None, as `typicality` may be, where the model cannot tell. `heatmap` is
    (7, 7) float32 in [0, 1], by rows, or None. After an error `label`, `probability` and the rest are None or empty.
    """

    path: Path
    positive: str
    threshold: float
    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    typicality: float | None = None
    untypical: bool | None = None
    decode_ms: float | None = None
    inference_ms: float | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    heatmap: npt.NDArray[np.float32] | None = None


def find_images(sources: Sequence[Path]) -> list[Path]:
    """Return the files among `sources` as given and the image files anywhere below its folders, sorted, each once.

    In a folder an image is told by its name; hidden files and folders are left out. Raises DataError for a path that
    does not exist and for a folder that has no image or cannot be listed.
    """
    found: list[Path] = []
    for source in sources:
        # Not Path.is_dir, which raises where a folder above may not be entered.
        if not os.path.exists(source):
            raise DataError(f"{source}: does not exist or cannot be reached; check the path")
        found += _search(source) if os.path.isdir(source) else [source]
    return list(dict.fromkeys(found))


def choose_artifact(bundle: Bundle) -> Artifact:
    """Return the artifact to classify with: TFLite int8, float32 or another, else ONNX. Raises BundleError."""
    artifacts = bundle.manifest.artifacts
    for name in _PREFERRED:
        if name in artifacts:
            return artifacts[name]
    for kind in ("tflite", "onnx"):
        for artifact in artifacts.values():
            if artifact.format == kind:
                return artifact
    raise BundleError(
        f"{bundle.path}: has no .tflite or .onnx artifact to classify with (it has {', '.join(artifacts) or 'none'}); "
        "make one with 'cxr-edge export'"
    )


def classify(bundle: Bundle, artifact: Artifact, films: Iterable[Path], *, threads: int = 1) -> Iterator[Prediction]:
    """Return the predictions for `films`, each made when it is asked for.

    The artifact is opened at once, so that one which cannot run is an error before the first film. Raises BundleError,
    RuntimeFailure, MissingExtraError.
    """
    return _classify(runtimes.open_artifact(bundle, artifact, threads=threads), bundle.manifest, films)


def predict(runtime: runtimes.Runtime, manifest: Manifest, path: Path, content: bytes | None = None) -> Prediction:
    """Return the prediction for the film at `path`, or for `content`, which `path` then only names.

    A film that cannot be read, or that the model fails on, gives a prediction with the error.
    """
    start_s = time.perf_counter()
    try:
        film = images.read(path if content is None else content, name=str(path))
        decoded_s = time.perf_counter()
        outputs = runtime.run(film.pixels[np.newaxis])
        done_s = time.perf_counter()
        values = _interpret(outputs, manifest)
    except CxrEdgeError as error:
        return Prediction(path, manifest.positive, manifest.threshold, error=str(error))
    return Prediction(
        path,
        manifest.positive,
        manifest.threshold,
        decode_ms=(decoded_s - start_s) * 1e3,
        inference_ms=(done_s - decoded_s) * 1e3,
        warnings=film.warnings,
        **values,
    )


def exit_code(failed: int, total: int) -> int:
    """Return the exit code of a run over `total` films: 0 when there were some and all were read, else 1."""
    return 0 if total and not failed else 1


def _search(folder: Path) -> list[Path]:
    # Imported here, since one film on the command line, where every millisecond of the start shows, needs no search.
    from cxr_edge.listing import is_image

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be listed ({error.strerror}); check its permissions") from error

    found = []
    for parent, subfolders, names in os.walk(folder, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if is_image(name)]
    if not found:
        raise DataError(f"{folder}: has no image files; give a folder with PNG, JPEG, WebP or DICOM films")
    return sorted(found)


def _classify(runtime: runtimes.Runtime, manifest: Manifest, films: Iterable[Path]) -> Iterator[Prediction]:
    try:
        for path in films:
            yield predict(runtime, manifest, path)
    finally:
        runtime.close()


def _interpret(outputs: runtimes.Outputs, manifest: Manifest) -> dict[str, Any]:
    """Return the fields of a prediction that the outputs for one film give. Raises RuntimeFailure."""
    row = outputs["probabilities"][0]
    if len(row) != len(manifest.labels):
        raise RuntimeFailure(
            f"the model gives {len(row)} probabilities for {len(manifest.labels)} labels; export it again"
        )
    if not all(np.isfinite(values).all() for values in outputs.values()):
        # Compared with the threshold, NaN would pass for a negative.
        raise RuntimeFailure("the model gave values that are not finite; use another artifact, a float32 one say")
    probabilities = dict(zip(manifest.labels, row.tolist(), strict=True))
    probability = probabilities[manifest.positive]
    others = [label for label in manifest.labels if label != manifest.positive]
    label = manifest.positive if probability >= manifest.threshold else max(others, key=probabilities.__getitem__)
    typicality = float(outputs["typicality"][0, 0]) if "typicality" in outputs else None
    limit = manifest.typicality_limit
    return {
        "label": label,
        "probability": probability,
        "probabilities": probabilities,
        "typicality": typicality,
        "untypical": None if typicality is None or limit is None else typicality > limit,
        "heatmap": outputs["heatmap"][0].reshape(HEATMAP_SHAPE) if "heatmap" in outputs else None,
    }
