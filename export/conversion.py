"""From a trained classifier to checked artifacts: each format and recipe, repaired where that is asked for."""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.golden import UNREADABLE
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.contract import Pixels
from cxr_edge.data.dataset import Dataset
from cxr_edge.errors import BundleError, ExportError, RuntimeFailure
from cxr_edge.export import recipes
from cxr_edge.export.calibration_set import FilmSet
from cxr_edge.export.convert import litert, metadata, onnx
from cxr_edge.export.graph.deployment import Deployment
from cxr_edge.export.recipes import Recipe
from cxr_edge.export.repair.repair import Converter, Judge, Repair
from cxr_edge.metrics.budget import Budget
from cxr_edge.runtimes.keras import load_model
from cxr_edge.runtimes.registry import open_content
from cxr_edge.system import files
from cxr_edge.system.progress import Progress, say
from cxr_edge.system.text import first_line

__all__ = ["KERAS_NAME", "TYPICALITY_NAME", "Conversion", "check", "convert", "read_typicality"]

KERAS_NAME = "model.keras"
TYPICALITY_NAME = "typicality.npz"

_CONVERTERS: dict[str, Any] = {"tflite": litert, "onnx": onnx}
_ATTACH = {"tflite": metadata.attach_tflite, "onnx": metadata.attach_onnx}


@dataclass
class Conversion:
    """What `convert` made: artifacts with their content, the repair's record by format, and what it still misses."""

    contents: dict[str, tuple[Artifact, bytes]] = field(default_factory=dict)
    repairs: dict[str, Any] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)


def convert(
    bundle: Bundle,
    pairs: list[tuple[str, Recipe]],
    films: dict[str, FilmSet],
    dataset: Dataset,
    budget: Budget | None,
) -> Conversion:
    """Return every artifact, checked; int8 is repaired towards `budget` unless that is None.

    float32 of a format is made once, for all its recipes. Raises ExportError, RuntimeFailure.
    """
    classifier = load_model(bundle.artifact_bytes(bundle.artifact(KERAS_NAME)), name=KERAS_NAME)
    deployment = Deployment(classifier, read_typicality(bundle))
    pixels = films["check"].pixels
    reference = np.asarray(classifier(pixels, training=False))
    calibration = films["calibration"].pixels if "calibration" in films else None
    repair = None
    if budget is not None and any(recipe.name == "int8" for _, recipe in pairs):
        val = _seat_judge(bundle, classifier, dataset, "val")
        tested = any(item.split == "test" for item in dataset.items)
        test = _seat_judge(bundle, classifier, dataset, "test") if tested else None
        repair = Repair(deployment, films["fit"].pixels, budget, val, test)
    made = Conversion()
    floats: dict[str, bytes] = {}
    for format, recipe in pairs:
        name = recipes.artifact_name(format, recipe)
        converter = _CONVERTERS[format]
        say(f"converting {name}")
        if recipe.name == "float32":
            content = floats[format] = converter.convert_float(deployment)
        else:
            content = converter.quantize(floats[format], recipe, calibration if recipe.calibrated else None)
        if repair is not None and recipe.name == "int8":
            stock = converter.quantize(floats[format], recipe, calibration, whole=True)
            others = [chosen.pixels for use, chosen in films.items() if use.startswith("calibration_")]
            draws = [content, *(converter.quantize(floats[format], recipe, pixels) for pixels in others)]
            outcome = repair.run(_repair_with(format, recipe, calibration), draws, stock)
            content = outcome.content
            made.repairs[format] = outcome.record
            made.misses += [f"{name}: {miss}" for miss in outcome.misses]
        content = _ATTACH[format](content, metadata.Facts.of(bundle.manifest, recipe))
        difference = check(name, content, format, recipe, pixels, reference)
        details = {"recipe": dataclasses.asdict(recipe), "max_difference": difference}
        digest, size_bytes = files.sha256_bytes(content), len(content)
        outputs = tuple(deployment.output_names)
        made.contents[name] = (Artifact(name, format, recipe.name, digest, size_bytes, outputs, details), content)
    return made


def _repair_with(format: str, recipe: Recipe, calibration: Pixels | None) -> Converter:
    converter = _CONVERTERS[format]
    return Converter(
        format,
        lambda deployment, ranges: converter.quantize(
            converter.convert_float(deployment), recipe, calibration, ranges=ranges
        ),
        converter.put_layers,
        merges=format == "onnx",
    )


def check(name: str, content: bytes, format: str, recipe: Recipe, pixels: Any, reference: Any) -> float:
    """Return the largest difference of a probability from Keras. Raises ExportError for NaN or a float too far off."""
    try:
        runtime = open_content(content, format, name=name)
        outputs = runtime.run(pixels)
        runtime.close()
    except RuntimeFailure as error:
        raise ExportError(f"{name}: the converted model does not run ({error}); nothing was written") from error
    for output, values in outputs.items():
        if not np.isfinite(values).all():
            raise ExportError(f"{name}: the converted model gives NaN or infinity in '{output}'; nothing was written")
    difference = float(np.abs(outputs["probabilities"] - reference).max())
    if recipe.tolerance is not None and difference > recipe.tolerance:
        raise ExportError(
            f"{name}: differs from the Keras model by {difference:.2g} on {len(pixels)} films, more than "
            f"{recipe.tolerance:g}; nothing was written"
        )
    return difference


def _seat_judge(bundle: Bundle, classifier: Any, dataset: Dataset, split: str) -> Judge:
    """Return a judge over all films of a split."""
    part = dataset.select(split=split)
    with Progress(f"reading {split}", len(part.items)) as progress:
        pixels = part.pixels(progress=progress)
    manifest = bundle.manifest
    # Run eagerly, a batch keeps all its maps until the end: 30 MB a film and more.
    parts = [np.asarray(classifier(pixels[at : at + 8], training=False)) for at in range(0, len(pixels), 8)]
    reference = np.concatenate(parts)[:, manifest.positive_index]
    positive = part.targets() == dataset.labels.index(manifest.positive)
    return Judge(split, pixels, positive, reference, manifest.threshold, manifest.positive_index)


def read_typicality(bundle: Bundle) -> dict[str, Any] | None:
    """Return the arrays of a bundle's typicality.npz for `Deployment`, None where it has none."""
    if TYPICALITY_NAME not in bundle.manifest.files:
        return None
    content = bundle.file_bytes(TYPICALITY_NAME)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except UNREADABLE as error:
        raise BundleError(
            f"{TYPICALITY_NAME}: damaged or no .npz ({first_line(error)}); train the bundle again"
        ) from error
    if missing := {"mean", "axes", "rest"} - set(arrays):
        raise ExportError(
            f"{TYPICALITY_NAME}: lacks {', '.join(sorted(missing))}; it is of another version, train the bundle again"
        )
    return arrays
