"""Take a chest X-ray classifier from training to the phone and the Raspberry Pi. For research only.

    >>> import cxr_edge
    >>> with cxr_edge.load() as classifier:
    ...     prediction = classifier.predict("image.png")

docs/api.md has the whole Python API. Its names are imported when they are first used: `import cxr_edge` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxr_edge.system.about import RESEARCH_ONLY, __version__

if TYPE_CHECKING:
    from cxr_edge.benchmarks.api import bench as bench
    from cxr_edge.export.api import export as export
    from cxr_edge.inference.classifier import Classifier as Classifier
    from cxr_edge.inference.classifier import ImageLike as ImageLike
    from cxr_edge.inference.classifier import load as load
    from cxr_edge.inference.classify import Prediction as Prediction

__all__ = [
    "RESEARCH_ONLY",
    "Classifier",
    "ImageLike",
    "Prediction",
    "__version__",
    "bench",
    "export",
    "load",
]


def __getattr__(name: str) -> Any:
    if name in ("Classifier", "ImageLike", "load"):
        from cxr_edge.inference import classifier

        return getattr(classifier, name)
    if name == "Prediction":
        from cxr_edge.inference.classify import Prediction

        return Prediction
    if name == "bench":
        from cxr_edge.benchmarks.api import bench

        return bench
    if name == "export":
        # The package is the function too: see its docstring.
        import cxr_edge.export as package

        return package
    raise AttributeError(f"module 'cxr_edge' has no attribute '{name}'")
