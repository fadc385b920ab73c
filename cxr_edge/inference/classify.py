"""Films to predictions, in the order of the films.

A film that cannot be read is a prediction with an error and never stops the rest. Where there are several, the next
ones are decoded on other threads while the model runs; only so many are held that memory stays flat.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxr_edge.bundles.bundle import Bundle, open_named
from cxr_edge.bundles.manifest import Artifact, Manifest
from cxr_edge.contract import HEATMAP_SHAPE, Outputs, artifact_name
from cxr_edge.errors import BundleError, CxrEdgeError, RuntimeFailure
from cxr_edge.imaging import decoder
from cxr_edge.metrics.confusion import is_positive
from cxr_edge.models import open_model
from cxr_edge.runtimes.base import Runtime

__all__ = [
    "Decoded",
    "Prediction",
    "answer",
    "choose_artifact",
    "classify",
    "decode",
    "exit_code",
    "find_model",
    "predict",
    "predict_all",
]

_PREFERRED = (artifact_name("tflite", "int8"), artifact_name("tflite", "float32"))


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the classifier says of the film at `path`, or the `error` that kept it from saying anything.

    `label` is the manifest's positive class where its `probability` reaches the threshold. `untypical` says that the
    film is unlike the training films; it is None, as `typicality` may be, where the model cannot tell. `heatmap` is
    (7, 7) float32 in [0, 1], by rows, or None. After an error `label`, `probability` and the rest are None or empty.
    `picture` is what an overlay is drawn on, no side over 1024 pixels, where it was asked for.
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
    picture: Image.Image | None = None


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
        f"{bundle.place}: has no .tflite or .onnx artifact to classify with (it has {', '.join(artifacts) or 'none'}); "
        "make one with 'cxr-edge export'"
    )


def find_model(name: str | Path | Bundle) -> tuple[Bundle, Artifact]:
    """Return the bundle and artifact that BUNDLE[:ARTIFACT] names; without ARTIFACT the one to classify with.

    A folder or .zip whose name has a colon is still one. Raises BundleError.
    """
    if isinstance(name, Bundle):
        return name, choose_artifact(name)
    bundle, artifact = open_named(str(name))
    return bundle, artifact or choose_artifact(bundle)


def classify(
    bundle: Bundle,
    artifact: Artifact,
    films: Sequence[Path],
    *,
    threads: int = 1,
    contents: Mapping[Path, bytes] | None = None,
    keep_pictures: bool = False,
) -> Iterator[Prediction]:
    """Return the predictions for `films`, each made when it is asked for; `contents` are those of films without a file.

    With `keep_pictures` each has the picture that its overlay is drawn on. The artifact is opened at once, so that one
    which cannot run is an error before the first film. Raises BundleError, RuntimeFailure, MissingExtraError.
    """
    runtime = open_model(bundle, artifact, threads=threads)
    return _classify(runtime, bundle.manifest, films, contents or {}, keep_pictures=keep_pictures)


def predict(runtime: Runtime, manifest: Manifest, path: Path, content: bytes | None = None) -> Prediction:
    """Return the prediction for the film at `path`, or for `content`, which `path` then only names.

    A film that cannot be read, or that the model fails on, gives a prediction with the error.
    """
    return answer(runtime, manifest, decode(path, content))


@dataclass(frozen=True, eq=False)
class Decoded:
    """The film at `path` as `decode` found it, or the `error` that kept it from being read."""

    path: Path
    film: decoder.Film | None
    decode_ms: float
    error: str | None = None
    picture: Image.Image | None = None


def decode(path: Path, content: bytes | None = None, *, keep_picture: bool = False) -> Decoded:
    """Return the film at `path`, or in `content`, which `path` then only names; the first half of `predict`.

    With `keep_picture` the result keeps the picture, as small as overlays are, because many may wait for the model.
    """
    start_s = time.perf_counter()
    try:
        film, picture = decoder.read_with_picture(path if content is None else content, name=str(path))
    except CxrEdgeError as error:
        return Decoded(path, None, 0.0, str(error))
    decode_ms = (time.perf_counter() - start_s) * 1e3
    if not keep_picture:
        return Decoded(path, film, decode_ms)
    # Imported here: one film on the command line, where every millisecond shows, has no use for it.
    from cxr_edge.imaging.overlay import shrink

    return Decoded(path, film, decode_ms, picture=shrink(picture))


def answer(runtime: Runtime, manifest: Manifest, read: Decoded) -> Prediction:
    """Return the prediction for a film that was decoded; the second half of `predict`."""
    if read.film is None:
        return Prediction(read.path, manifest.positive, manifest.threshold, error=read.error)
    start_s = time.perf_counter()
    try:
        outputs = runtime.run(read.film.pixels[np.newaxis])
        inference_ms = (time.perf_counter() - start_s) * 1e3
        _check(outputs, manifest)
    except CxrEdgeError as error:
        return Prediction(read.path, manifest.positive, manifest.threshold, error=str(error))
    probabilities = dict(zip(manifest.labels, outputs["probabilities"][0].tolist(), strict=True))
    typicality = float(outputs["typicality"][0, 0]) if "typicality" in outputs else None
    return Prediction(
        read.path,
        manifest.positive,
        manifest.threshold,
        label=_choose_label(probabilities, manifest),
        probability=probabilities[manifest.positive],
        probabilities=probabilities,
        typicality=typicality,
        untypical=_is_untypical(typicality, manifest),
        decode_ms=read.decode_ms,
        inference_ms=inference_ms,
        warnings=read.film.warnings,
        heatmap=outputs["heatmap"][0].reshape(HEATMAP_SHAPE) if "heatmap" in outputs else None,
        picture=read.picture,
    )


def predict_all(
    runtime: Runtime,
    manifest: Manifest,
    films: Sequence[Path],
    contents: Mapping[Path, bytes] | None = None,
    *,
    keep_pictures: bool = False,
) -> Iterator[Prediction]:
    """Return the predictions for `films`, each made when it is asked for; the films after it are then being decoded."""
    known = contents or {}

    def read(path: Path) -> Decoded:
        return decode(path, known.get(path), keep_picture=keep_pictures)

    if len(films) < 2:
        return (answer(runtime, manifest, read(path)) for path in films)
    # Imported here, as all that one film on the command line, where every millisecond shows, has no use for.
    from cxr_edge.processes.prefetch import map_ahead

    return (answer(runtime, manifest, decoded) for decoded in map_ahead(read, films))


def exit_code(failed: int, total: int) -> int:
    """Return the exit code of a run over `total` films: 0 when there were some and all were read, else 1."""
    return 0 if total and not failed else 1


def _classify(
    runtime: Runtime, manifest: Manifest, films: Sequence[Path], contents: Mapping[Path, bytes], *, keep_pictures: bool
) -> Iterator[Prediction]:
    try:
        yield from predict_all(runtime, manifest, films, contents, keep_pictures=keep_pictures)
    finally:
        runtime.close()


def _check(outputs: Outputs, manifest: Manifest) -> None:
    """Raise RuntimeFailure where the outputs for one film are none that the manifest speaks of."""
    count = outputs["probabilities"].shape[1]
    if count != len(manifest.labels):
        raise RuntimeFailure(
            f"the model gives {count} probabilities for {len(manifest.labels)} labels; export it again"
        )
    if not all(np.isfinite(values).all() for values in outputs.values()):
        # Compared with the threshold, NaN would pass for a negative.
        raise RuntimeFailure("the model gave values that are not finite; use another artifact, a float32 one say")


def _choose_label(probabilities: Mapping[str, float], manifest: Manifest) -> str:
    if is_positive(probabilities[manifest.positive], manifest.threshold):
        return manifest.positive
    others = [label for label in manifest.labels if label != manifest.positive]
    return max(others, key=probabilities.__getitem__)


def _is_untypical(typicality: float | None, manifest: Manifest) -> bool | None:
    limit = manifest.typicality_limit
    return None if typicality is None or limit is None else typicality > limit
