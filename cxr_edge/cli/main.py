"""The command line: parse, call, print. No logic lives here, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import sys
from typing import Any

import click

from cxr_edge.errors import CxrEdgeError
from cxr_edge.system.about import __version__

__all__ = ["main"]


# Where each command is. Its module is imported when it is asked for: a start reads one of a dozen.
_MODULES = {
    "audit": "audit",
    "bench": "bench",
    "calibrate": "calibrate",
    "classify": "classify",
    "devices": "bench",
    "explain": "classify",
    "export": "export",
    "phantom": "train",
    "report": "bench",
    "score": "score",
    "serve": "serve",
    "study": "study",
    "train": "train",
    "verify": "verify",
}


class Commands(click.Group):
    """A group whose commands are imported when they are looked up, and whose errors are one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands; none is imported."""
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None where there is none of that name."""
        if cmd_name not in _MODULES:
            return None
        command: click.Command = getattr(importlib.import_module(f"cxr_edge.cli.{_MODULES[cmd_name]}"), cmd_name)
        return command

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line. An output that cannot be written, on a full disk say, ends with one line too."""
        # When Python ends it looks for garbage among all that was imported, to give back memory that goes anyway: a
        # sixth of the time that one film takes.
        atexit.register(gc.freeze)
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            place = error.filename or "standard output"
            _complain(f"{place}: {error.strerror or error}; check the place, its permissions and its free space")
            _drop_output()
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Ctrl-C ends with 130, as shells expect."""
        try:
            return super().invoke(ctx)
        except CxrEdgeError as error:
            _complain(str(error))
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("cxr-edge: stopped; what was finished is kept", err=True)
            ctx.exit(130)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: cxr-edge phantom --out samples --count 4 · cxr-edge classify samples/test · cxr-edge bench",
)
@click.version_option(__version__, "-V", "--version", prog_name="cxr-edge")
def main() -> None:
    """Take a chest X-ray classifier from training to the phone and the Raspberry Pi, and measure how it changes.

    For research only; not for diagnosis.
    """


def _complain(text: str) -> None:
    """Write one line to stderr; what a file name may hold of line ends and terminal codes is escaped."""
    from cxr_edge.system.text import printable

    click.echo(f"cxr-edge: {printable(text)}", err=True)


def _drop_output() -> None:
    # What could not be written would fail once more, with a traceback, when Python ends.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
