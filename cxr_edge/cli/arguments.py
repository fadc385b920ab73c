"""What commands share: the types of arguments, the bundles that they name, and the extras that commands need."""

from __future__ import annotations

from pathlib import Path

import click

from cxr_edge.bundles.bundle import DEFAULT, Bundle, open_bundle
from cxr_edge.errors import UsageError

__all__ = ["AS_JSON", "PATH", "POSITIVE", "need_tensorflow", "open_exported"]

PATH = click.Path(path_type=Path)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
POSITIVE = click.option("--positive", default="covid", show_default=True, help="The class to be found.")


def open_exported(path: Path | None) -> Bundle:
    """Return a bundle, by default what export last wrote for the shipped one. Raises BundleError, UsageError."""
    if path is not None:
        return open_bundle(path)
    written = Path("build") / open_bundle(DEFAULT).manifest.name
    if not written.is_dir():
        raise UsageError(
            f"{written}: nothing exported yet; type 'cxr-edge export --quantize int8' first, or name a bundle"
        )
    return Bundle.read(written)


def need_tensorflow(purpose: str, extra: str, *more: str) -> None:
    """Import TensorFlow. Raises MissingExtraError unless it, Matplotlib and `more` are installed."""
    from cxr_edge.system.extras import need
    from cxr_edge.system.native_stderr import import_tensorflow

    need(purpose, extra, "keras", "tensorflow", "matplotlib", *more)
    import_tensorflow()
