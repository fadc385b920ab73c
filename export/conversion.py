"""From a trained classifier to checked artifacts: each format and recipe, repaired where that is asked for."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.golden import UNREADABLE
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.contract import KERAS_NAME, TYPICALITY_NAME, Pixels
from cxr_edge.data.dataset import Dataset
from cxr_edge.errors import BundleError, ExportError, RuntimeFailure
from cxr_edge.export.calibration_set import ExportFilms
from cxr_edge.export.convert.base import Converter
from cxr_edge.export.convert.metadata import Facts
from cxr_edge.export.convert.registry import open_converter
from cxr_edge.export.converted import Conversion, ModelFile
from cxr_edge.export.graph.deployment import Deployment, TypicalityArrays
from cxr_edge.export.recipes import Recipe, Target
from cxr_edge.export.repair.judge import Judge
from cxr_edge.export.repair.repair import Repair
from cxr_edge.metrics.budget import Budget
from cxr_edge.runtimes.keras import load_model
from cxr_edge.runtimes.registry import open_content
from cxr_edge.system import files
from cxr_edge.system.progress import Progress, say
from cxr_edge.system.text import first_line

__all__ = ["check", "convert", "read_typicality"]

_REPAIRED = "int8"


def convert(
    bundle: Bundle, targets: Sequence[Target], films: ExportFilms, dataset: Dataset, budget: Budget | None
) -> Conversion:
    """Return every artifact, checked; int8 is repaired towards `budget` unless that is None.

    float32 of a format is made once, for all its recipes, and comes first. Raises ExportError, RuntimeFailure.
    """
    classifier = load_model(bundle.artifact_bytes(bundle.artifact(KERAS_NAME)), name=KERAS_NAME)
    deployment = Deployment(classifier, read_typicality(bundle))
    reference = np.asarray(classifier(films.check.pixels, training=False))
    repair = None
    if budget is not None and any(target.recipe.name == _REPAIRED for target in targets):
        repair = _plan_repair(bundle, classifier, deployment, films, dataset, budget)
    made = Conversion()
    floats: dict[str, bytes] = {}
    for target in targets:
        say(f"converting {target.name}")
        converter = open_converter(target.format)
        if target.recipe.name == "float32":
            content = floats[target.format] = converter.convert_float(deployment)
        elif target.recipe.name == _REPAIRED and repair is not None:
            content = _repair(repair, converter, floats[target.format], target, made)
        else:
            content = _quantize(converter, floats[target.format], target.recipe, films)
        content = converter.attach_facts(content, Facts.of(bundle.manifest, target.recipe))
        difference = check(target.name, content, target.format, target.recipe, films.check.pixels, reference)
        artifact = _describe(target, content, deployment.output_names, difference)
        made.model_files[target.name] = ModelFile(artifact, content)
    return made


def _quantize(converter: Converter, float_content: bytes, recipe: Recipe, films: ExportFilms) -> bytes:
    pixels = films.calibration.pixels if recipe.calibrated and films.calibration is not None else None
    return converter.quantize(float_content, recipe, pixels)


def _repair(repair: Repair, converter: Converter, float_content: bytes, target: Target, made: Conversion) -> bytes:
    """Return the repaired int8, and note in `made` what that took."""
    outcome = repair.run(converter, float_content)
    made.repairs[target.format] = outcome.record
    made.misses += [f"{target.name}: {miss}" for miss in outcome.misses]
    return outcome.content


def _describe(target: Target, content: bytes, outputs: Sequence[str], difference: float) -> Artifact:
    return Artifact(
        name=target.name,
        format=target.format,
        quantization=target.recipe.name,
        sha256=files.sha256_bytes(content),
        size_bytes=len(content),
        outputs=tuple(outputs),
        details={"recipe": dataclasses.asdict(target.recipe), "max_difference": difference},
    )


def check(
    name: str,
    content: bytes,
    format: str,
    recipe: Recipe,
    pixels: Pixels,
    reference: npt.NDArray[np.float32],
) -> float:
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


def _plan_repair(
    bundle: Bundle,
    classifier: keras.Model,
    deployment: Deployment,
    films: ExportFilms,
    dataset: Dataset,
    budget: Budget,
) -> Repair:
    """Return the repair of a classifier; test films only measure what it chose, where the data set has some."""
    if films.calibration is None or films.repair is None:
        raise ExportError("a repair needs calibration films and films to fit on; give --data")
    val = _seat_judge(bundle, classifier, dataset, "val")
    tested = any(item.split == "test" for item in dataset.items)
    test = _seat_judge(bundle, classifier, dataset, "test") if tested else None
    return Repair(deployment, films.calibration, films.repair, budget, val, test)


def _seat_judge(bundle: Bundle, classifier: keras.Model, dataset: Dataset, split: str) -> Judge:
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


def read_typicality(bundle: Bundle) -> TypicalityArrays | None:
    """Return the arrays of a bundle's typicality.npz, None where it has none. Raises BundleError, ExportError."""
    if TYPICALITY_NAME not in bundle.manifest.files:
        return None
    content = bundle.file_bytes(TYPICALITY_NAME)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays: dict[str, npt.NDArray[Any]] = {name: stored[name] for name in stored.files}
    except UNREADABLE as error:
        raise BundleError(
            f"{TYPICALITY_NAME}: damaged or no .npz ({first_line(error)}); train the bundle again"
        ) from error
    if missing := {"mean", "axes", "rest"} - set(arrays):
        raise ExportError(
            f"{TYPICALITY_NAME}: lacks {', '.join(sorted(missing))}; it is of another version, train the bundle again"
        )
    return TypicalityArrays(arrays["mean"], arrays["axes"], float(arrays["rest"]))
