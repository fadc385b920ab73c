"""An exported bundle for people: one line an artifact, with its size and what it loses against the Keras model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.export.calibration_set import CHECK_FILMS
from cxr_edge.export.pipeline import REPAIR_NAME

__all__ = ["describe"]

_FORMATS = {"keras": "Keras", "tflite": "TFLite", "onnx": "ONNX"}


def describe(bundle: Bundle) -> str:
    """Return a line with the bundle's folder and one line for each artifact.

    A repaired int8 was measured on all test images, or val without test; the others on the images of the export's
    check. Raises BundleError.
    """
    artifacts = bundle.manifest.artifacts.values()
    repairs = json.loads(bundle.file_bytes(REPAIR_NAME)) if REPAIR_NAME in bundle.manifest.files else {}
    width = max(len(artifact.name) for artifact in artifacts)
    lines = [str(bundle.place)]
    for artifact in artifacts:
        kind = _FORMATS.get(artifact.format, artifact.format)
        if artifact.format != "keras":
            kind += f" {artifact.quantization}"
        loss = _describe_loss(artifact, repairs)
        lines.append(f"  {artifact.name:<{width}}  {artifact.size_bytes / 1e6:>6.2f} MB  {kind:<14}  {loss}")
    return "\n".join(lines)


def _describe_loss(artifact: Artifact, repairs: Mapping[str, Any]) -> str:
    if artifact.format == "keras":
        return "the reference"
    if artifact.quantization == "int8" and artifact.format in repairs:
        split, drift = _read_drift(repairs[artifact.format])
        return (
            f"{drift['flips']} of {drift['films']} {split} images flip; P changes by {drift['max_change']:.2g} at most"
        )
    difference = artifact.details.get("max_difference")
    if difference is None:
        return "not compared"
    return f"P changes by {difference:.2g} at most on {CHECK_FILMS} images"


def _read_drift(record: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the split and the drift of the artifact that a repair chose, as repair.json holds them."""
    if "test" in record:
        return "test", record["test"]
    return "val", next(step["val"] for step in record["steps"] if step["step"] == record["chosen"])
