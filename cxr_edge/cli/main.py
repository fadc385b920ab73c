"""The command line: parse, call, print. No logic lives here, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
from pathlib import Path
from typing import Any

import click

from cxr_edge.cli.arguments import PATH
from cxr_edge.cli.audit import audit
from cxr_edge.cli.bench import bench, devices, report
from cxr_edge.cli.calibrate import calibrate
from cxr_edge.cli.classify import classify, explain
from cxr_edge.cli.export import export
from cxr_edge.cli.score import score
from cxr_edge.cli.serve import serve
from cxr_edge.cli.study import study
from cxr_edge.cli.train import train
from cxr_edge.cli.verify import verify
from cxr_edge.errors import CxrEdgeError
from cxr_edge.system.about import __version__

__all__ = ["main"]


class Commands(click.Group):
    """A group that ends with one line and the error's own exit code where the library raises one of its errors."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command, with -h of its own: click keeps the help option that the first context asked for."""
        cmd.context_settings.setdefault("help_option_names", ["-h", "--help"])
        super().add_command(cmd, name)

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
    epilog="Start with: cxr-edge classify film.png · cxr-edge export --quantize int8 · cxr-edge bench --device cpu",
)
@click.version_option(__version__, "-V", "--version", prog_name="cxr-edge")
def main() -> None:
    """Take a chest X-ray classifier from training to the phone and the Raspberry Pi, and show what was lost on the way.

    For research only; not for diagnosis.
    """


@main.command()
@click.option("--out", required=True, type=PATH, help="Folder to write to.")
@click.option("--seed", default=0, show_default=True, help="Another seed gives other patients.")
def phantom(out: Path, seed: int) -> None:
    """Write the simulated films to disk, with lesion masks and a manifest.csv.

    \b
    Example:
      cxr-edge phantom --out simulated && cxr-edge train simulated --out build/try --weights none
    """
    from cxr_edge.data.dataset import PHANTOM_COUNTS
    from cxr_edge.phantom.sets import write_folder
    from cxr_edge.system.progress import Progress

    with Progress("drawing films", sum(PHANTOM_COUNTS.values())) as progress:
        click.echo(write_folder(out, PHANTOM_COUNTS, seed, progress=progress))


def _complain(text: str) -> None:
    """Write one line to stderr; what a file name may hold of line ends and terminal codes is escaped."""
    from cxr_edge.system.text import printable

    click.echo(f"cxr-edge: {printable(text)}", err=True)


def _drop_output() -> None:
    # What could not be written would fail once more, with a traceback, when Python ends.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_COMMANDS = [
    audit,
    bench,
    calibrate,
    classify,
    devices,
    explain,
    export,
    report,
    score,
    serve,
    study,
    train,
    verify,
]
for command in _COMMANDS:
    main.add_command(command)

if __name__ == "__main__":
    sys.exit(main())
