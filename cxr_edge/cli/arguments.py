"""What commands share: the types of arguments, the bundles that they name, and the extras that commands need."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.errors import UsageError

__all__ = ["AS_JSON", "PATH", "POSITIVE", "need", "need_tensorflow", "open_bundle", "open_exported", "open_model"]

PATH = click.Path(path_type=Path)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
POSITIVE = click.option("--positive", default="covid", show_default=True, help="The class to be found.")


def open_bundle(path: Path | None) -> Bundle:
    """Return a bundle, the shipped one by default. Raises BundleError."""
    return Bundle.read(path or default_bundle_path())


def open_exported(path: Path | None) -> Bundle:
    """Return a bundle, by default what export last wrote for the shipped one. Raises BundleError, UsageError."""
    if path is not None:
        return Bundle.read(path)
    written = Path("build") / Bundle.read(default_bundle_path()).manifest.name
    if not written.is_dir():
        raise UsageError(
            f"{written}: nothing exported yet; type 'cxr-edge export --quantize int8' first, or name a bundle"
        )
    return Bundle.read(written)


def open_model(model: str) -> tuple[Bundle, Artifact]:
    """Return the bundle and artifact of BUNDLE[:ARTIFACT]; a folder or .zip whose name has a colon is still one."""
    from cxr_edge.inference.classify import choose_artifact

    folder, name = model, ""
    if ":" in model and not os.path.exists(model):
        folder, name = model.rsplit(":", 1)
    bundle = Bundle.read(Path(folder) if folder else default_bundle_path())
    return bundle, bundle.artifact(name) if name else choose_artifact(bundle)


def need(purpose: str, extra: str, *modules: str) -> None:
    """Raise MissingExtraError unless all of an extra's `modules` are installed; nothing is imported."""
    import importlib.util

    from cxr_edge.errors import MissingExtraError

    if any(importlib.util.find_spec(module) is None for module in modules):
        raise MissingExtraError(purpose, extra)


def need_tensorflow(purpose: str, extra: str, *more: str) -> None:
    """Import TensorFlow. Raises MissingExtraError unless it, Matplotlib and `more` are installed."""
    from cxr_edge.system.native_stderr import import_tensorflow

    need(purpose, extra, "keras", "tensorflow", "matplotlib", *more)
    import_tensorflow()
