"""What commands share: arguments and options, and the extras that commands need."""

from __future__ import annotations

from pathlib import Path

import click
from click.types import StringParamType

__all__ = ["AS_JSON", "DATA", "PATH", "POSITIVE", "need_tensorflow"]

PATH = click.Path(path_type=Path)


class _Data(StringParamType):
    """A folder of images, or `phantom`; when it is missing, the error says what to type."""

    name = "data"

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what follows "Missing argument 'DATA'."."""
        return "Give a folder of images, or 'phantom' for the simulated set."


DATA = click.argument("data", type=_Data())
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
POSITIVE = click.option("--positive", default="covid", show_default=True, help="The class to be found.")


def need_tensorflow(purpose: str, extra: str, *more: str) -> None:
    """Import TensorFlow. Raises MissingExtraError unless it, Matplotlib and `more` are installed."""
    from cxr_edge.system.extras import need
    from cxr_edge.system.native_stderr import import_tensorflow

    need(purpose, extra, "keras", "tensorflow", "matplotlib", *more)
    import_tensorflow()
