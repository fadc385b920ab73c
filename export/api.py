"""`cxr_edge.export`: an export as one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cxr_edge.bundles.bundle import DEFAULT, Bundle, open_bundle
from cxr_edge.export import pipeline
from cxr_edge.metrics.budget import Budget

__all__ = ["export"]


def export(
    bundle: str | Path | Bundle = DEFAULT,
    *,
    quantize: Sequence[str] = (),
    formats: Sequence[str] = ("tflite", "onnx"),
    data: str = "phantom",
    budget: Budget | None = None,
    repair: bool = True,
    out: Path | None = None,
    seed: int = 0,
) -> Bundle:
    """Convert a bundle's classifier to TFLite and ONNX and return the new bundle; float32 is always exported.

    The arguments are the options of `cxr-edge export`: `quantize` are recipes such as "int8", `data` the images for
    calibration and checks, `out` the folder of the result (build/<bundle name> by default). int8 is repaired until it
    is within `budget`, the default one where that is None, unless `repair` is False. Raises UsageError, DataError,
    BundleError, ExportError when an artifact fails its check, BudgetMissedError, OutputError, MissingExtraError.
    """
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    options = pipeline.ExportOptions(
        formats=tuple(formats),
        quantize=tuple(quantize),
        data=data,
        seed=seed,
        budget=(budget or Budget()) if repair else None,
    )
    return pipeline.export(opened, options, out)
