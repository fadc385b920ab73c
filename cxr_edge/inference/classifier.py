"""A classifier for Python programs: an open model that predicts, and shows where it looked."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.errors import CxrEdgeError, RuntimeFailure
from cxr_edge.imaging import decoder
from cxr_edge.imaging.overlay import OPACITY, shrink
from cxr_edge.inference import explain
from cxr_edge.inference.classify import Decoded, Prediction, answer, find_model
from cxr_edge.models import open_model
from cxr_edge.runtimes.base import Runtime

__all__ = ["Classifier", "ImageLike", "load"]

ImageLike: TypeAlias = "str | Path | bytes | Image.Image | npt.NDArray[np.uint8] | npt.NDArray[np.uint16]"
"""An image: a path, the bytes of a file, a PIL image, or an array, grey (height, width) or RGB (height, width, 3)."""


def load(model: str | Path | Bundle = "default", *, threads: int = 1) -> Classifier:
    """Open a model and return it as a classifier.

    `model` is BUNDLE or BUNDLE:ARTIFACT as on the command line: a folder or .zip, or "default", the bundle that ships
    with the package. A model that is neither shipped nor made or approved on this machine runs in a sandbox. Raises
    BundleError, PreflightError, RuntimeFailure, MissingExtraError.
    """
    bundle, artifact = find_model(model)
    return Classifier(bundle, artifact, open_model(bundle, artifact, threads=threads))


class Classifier:
    """An open model; made by `load`. Close it, or use it in a `with` block. One thread at a time may use it."""

    def __init__(self, bundle: Bundle, artifact: Artifact, runtime: Runtime) -> None:
        self.bundle = bundle
        self.artifact = artifact
        self._runtime: Runtime | None = runtime

    def __enter__(self) -> Classifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Classifier {self.bundle.manifest.name}:{self.artifact.name}>"

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""
        return self.bundle.manifest.labels

    @overload
    def predict(self, images: ImageLike) -> Prediction: ...

    @overload
    def predict(self, images: list[ImageLike] | tuple[ImageLike, ...]) -> list[Prediction]: ...

    def predict(self, images: ImageLike | list[ImageLike] | tuple[ImageLike, ...]) -> Prediction | list[Prediction]:
        """Return the prediction for an image, or a list of them for a list or tuple of images.

        One image that cannot be read raises ImageError or UnsafeFileError. Among several it stops no other: its
        prediction has the `error`. Raises RuntimeFailure when the model fails, or was closed.
        """
        if not isinstance(images, (list, tuple)):
            return self._predict(images, "image")
        found = []
        for number, image in enumerate(images):
            name = f"image {number}"
            try:
                found.append(self._predict(image, name))
            except CxrEdgeError as error:
                manifest = self.bundle.manifest
                path = Path(_name(image, name))
                found.append(Prediction(path, manifest.positive, manifest.threshold, error=str(error)))
        return found

    def explain(self, image: ImageLike, *, side_by_side: bool = False, opacity: float = OPACITY) -> Image.Image:
        """Return the image under the model's heat map, RGB, with a footer; no side of it is over 1024 pixels.

        With `side_by_side` the plain image stands beside it; `opacity` (0 to 1) is that of the hottest cell. Raises
        what `predict` raises, and DataError when the model gives no heat map.
        """
        return explain.draw(self._predict(image, "image"), side_by_side=side_by_side, opacity=opacity)

    def close(self) -> None:
        """Free what the model holds; the classifier cannot predict afterwards."""
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()

    def _predict(self, image: ImageLike, name: str) -> Prediction:
        if self._runtime is None:
            raise RuntimeFailure(f"{self.artifact.name}: was closed; load it again with cxr_edge.load")
        name = _name(image, name)
        if isinstance(image, (str, Path)):
            film, picture = decoder.read_with_picture(Path(image), name=name)
        elif isinstance(image, bytes):
            film, picture = decoder.read_with_picture(image, name=name)
        else:
            film, picture = decoder.take(image, name=name)
        prediction = answer(
            self._runtime, self.bundle.manifest, Decoded(Path(name), film, decode_ms=0.0, picture=shrink(picture))
        )
        if prediction.error is not None:
            raise RuntimeFailure(prediction.error)
        return prediction


def _name(image: ImageLike, name: str) -> str:
    return str(image) if isinstance(image, (str, Path)) else name
