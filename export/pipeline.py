"""The export of a bundle: convert, check against the Keras model on real pixels, and only then put in place."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_edge import models
from cxr_edge.bundles import trust
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.golden import VECTORS_NAME
from cxr_edge.bundles.manifest import MANIFEST_NAME
from cxr_edge.contract import KERAS_NAME
from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.errors import BudgetMissedError, BundleError, MissingExtraError, UsageError
from cxr_edge.export import golden, linting, recipes
from cxr_edge.export.calibration_set import (
    CALIBRATION_DRAWS,
    CALIBRATION_FILMS,
    CHECK_FILMS,
    FIT_FILMS,
    ExportFilms,
    RepairFilms,
    choose_films,
)
from cxr_edge.export.converted import Conversion
from cxr_edge.export.recipes import Target
from cxr_edge.metrics.budget import Budget
from cxr_edge.system import files
from cxr_edge.system.about import __version__
from cxr_edge.system.native_stderr import import_tensorflow
from cxr_edge.system.progress import say

__all__ = ["REPAIR_NAME", "ExportOptions", "default_out", "export"]

REPAIR_NAME = "repair.json"
_MADE_HERE = (REPAIR_NAME, VECTORS_NAME)
_PACKAGES = ("tensorflow-cpu", "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "litert-quantizer", "numpy")
_MODULES = {"tflite": ("tensorflow", "litert_quantizer"), "onnx": ("tensorflow", "tf2onnx", "onnx", "onnxruntime")}


@dataclass(frozen=True)
class ExportOptions:
    """What to export: formats, recipes by name, and the data set (see `dataset.open_dataset`) to calibrate with.

    int8 is repaired until it is within `budget`; None gives the stock conversion.
    """

    formats: tuple[str, ...] = recipes.FORMATS
    quantize: tuple[str, ...] = ()
    data: str = "phantom"
    seed: int = 0
    budget: Budget | None = None


def default_out(bundle: Bundle) -> Path:
    """Return where an export goes when no place is named: build/<bundle name>."""
    return Path("build") / bundle.manifest.name


def export(bundle: Bundle, options: ExportOptions, out: Path | None = None) -> Bundle:
    """Write a bundle with the wanted artifacts to `out`; an older bundle there stays whole until the new one is.

    Nothing is done when `out` already holds what these inputs give. Raises UsageError, DataError, BundleError,
    ExportError when an artifact fails its check, OutputError, MissingExtraError.
    """
    out = out or default_out(bundle)
    targets = _choose_targets(options)
    _refuse_strange_files(out)
    _check_keras(bundle)
    dataset = open_dataset(options.data, positive=bundle.manifest.positive)
    key = _key(bundle, options, dataset)
    if (existing := _read_unchanged(out, key)) is not None:
        say(f"{out}: already holds this export; nothing to do")
        return existing
    _need_modules(options.formats)
    calibrated = any(target.recipe.calibrated for target in targets)
    films = _choose_films(dataset, options, calibrated=calibrated)
    files.prepare_folder(out.parent)
    # TensorFlow takes many seconds to import; an export that is refused or unchanged never waits for it.
    import_tensorflow()
    from cxr_edge.export.conversion import convert

    made = convert(bundle, targets, films, dataset, options.budget)
    written = _write(bundle, made, films, key, options, out)
    if made.misses:
        raise BudgetMissedError(
            f"{out}: written, but the budget is not met: {'; '.join(made.misses)}; see {REPAIR_NAME}"
        )
    return written


def _choose_targets(options: ExportOptions) -> list[Target]:
    for format in options.formats:
        if format not in recipes.FORMATS:
            raise UsageError(f"--format {format}: unknown; choose from {', '.join(recipes.FORMATS)}")
    return recipes.choose(options.quantize, options.formats)


def _choose_films(dataset: Dataset, options: ExportOptions, *, calibrated: bool) -> ExportFilms:
    """Draw the films of an export; those to calibrate on are linted before any others are read."""
    seed = options.seed
    films = ExportFilms(check=choose_films(dataset, "val", CHECK_FILMS, seed=seed))
    if not calibrated:
        return films
    calibration = choose_films(dataset, "train", CALIBRATION_FILMS, seed=seed)
    for note in linting.lint(calibration, dataset, held_out=("val", "test")):
        say(f"warning: {note}")
    films = dataclasses.replace(films, calibration=calibration)
    if options.budget is None:
        return films
    fit = choose_films(dataset, "train", FIT_FILMS, seed=seed)
    redraws = [
        choose_films(dataset, "train", CALIBRATION_FILMS, seed=seed + draw) for draw in range(2, CALIBRATION_DRAWS + 1)
    ]
    return dataclasses.replace(films, repair=RepairFilms(fit, tuple(redraws)))


def _check_keras(bundle: Bundle) -> None:
    """Raise BundleError when the classifier is not the manifest's, PreflightError when a stranger's is unsound."""
    models.read_model(bundle, bundle.artifact(KERAS_NAME))


def _refuse_strange_files(out: Path) -> None:
    """Raise UsageError when taking the place of `out` would remove a file that is no part of a bundle."""
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"--out {out}: is a file; give a folder")
    known = {MANIFEST_NAME}
    if (out / MANIFEST_NAME).is_file():
        manifest = Bundle.read(out).manifest
        known |= {*manifest.artifacts, *manifest.files}
    strange = sorted(path.name for path in out.iterdir() if path.name not in known)
    if strange:
        raise UsageError(f"--out {out}: holds '{strange[0]}', which is no part of a bundle; give another folder")


def _write(bundle: Bundle, made: Conversion, films: ExportFilms, key: str, options: ExportOptions, out: Path) -> Bundle:
    """Put the bundle of a conversion in the place of `out`, and note its models as made here."""
    keras = bundle.manifest.artifacts[KERAS_NAME]
    extra = _make_files(bundle, made)
    manifest = dataclasses.replace(
        bundle.manifest,
        artifacts={KERAS_NAME: keras} | {name: model.artifact for name, model in made.model_files.items()},
        files={name: files.sha256_bytes(content) for name, content in sorted(extra.items())},
        provenance={**bundle.manifest.provenance, "export": _provenance(films, key, options)},
    )
    models = {KERAS_NAME: bundle.artifact_bytes(keras)}
    models |= {name: model.content for name, model in made.model_files.items()}
    with files.staged_folder(out) as staged:
        for name, content in (models | extra).items():
            files.write_bytes(staged / name, content)
        Bundle(staged, manifest).write_manifest()
    written = Bundle(out, manifest)
    trust.note_made(written, made.model_files)
    return written


def _make_files(bundle: Bundle, made: Conversion) -> dict[str, bytes]:
    """Return what lies beside the models: golden vectors, the record of a repair, and what the bundle had before."""
    content = {VECTORS_NAME: golden.make(made.model_files, golden.choose_films())}
    if made.repairs:
        records = {format: record.to_json() for format, record in made.repairs.items()}
        content[REPAIR_NAME] = files.to_json_bytes(records)
    kept = [name for name in bundle.manifest.files if name not in _MADE_HERE]
    return content | {name: bundle.file_bytes(name) for name in kept}


def _provenance(films: ExportFilms, key: str, options: ExportOptions) -> dict[str, Any]:
    return {
        "cxr_edge": __version__,
        "key": key,
        "versions": _versions(),
        "data": options.data if options.data == "phantom" else Path(options.data).name,
        "films": films.to_json(),
        "seed": options.seed,
    }


def _key(bundle: Bundle, options: ExportOptions, dataset: Dataset) -> str:
    """Return a hash of all that an export depends on."""
    manifest = bundle.manifest
    parts = [
        manifest.artifacts[KERAS_NAME].sha256,
        {name: digest for name, digest in manifest.files.items() if name not in _MADE_HERE},
        None if options.budget is None else dataclasses.asdict(options.budget),
        # What the artifacts say of themselves in their metadata.
        [manifest.name, manifest.labels, manifest.positive, manifest.threshold, manifest.typicality_limit],
        manifest.provenance.get("licence"),
        options.formats,
        options.quantize,
        options.seed,
        dataset.fingerprint(),
        __version__,
        _versions(),
    ]
    return files.sha256_bytes(json.dumps(parts, sort_keys=True).encode())


def _read_unchanged(out: Path, key: str) -> Bundle | None:
    """Return the bundle in `out` when it is whole and was made by an export of the same key."""
    try:
        existing = Bundle.read(out)
        if existing.manifest.provenance.get("export", {}).get("key") != key:
            return None
        for artifact in existing.manifest.artifacts.values():
            existing.artifact_bytes(artifact)
    except BundleError:
        return None
    return existing


def _need_modules(formats: tuple[str, ...]) -> None:
    for format in formats:
        if any(importlib.util.find_spec(module) is None for module in _MODULES[format]):
            raise MissingExtraError(f"exporting {format}", "export")


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
