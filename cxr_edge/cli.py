"""The command line: parse, call, print. No logic lives here, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from cxr_edge import __version__
from cxr_edge.bundle import Artifact, Bundle, default_bundle_path
from cxr_edge.cli_build import bench, export, train
from cxr_edge.cli_devices import devices
from cxr_edge.cli_verify import verify
from cxr_edge.errors import CxrEdgeError

__all__ = ["main"]

FOLDER = click.Path(path_type=Path)


class Commands(click.Group):
    """A group that ends with one line and the error's own exit code where the library raises one of its errors."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command, with -h of its own: click keeps the help option that the first context asked for."""
        cmd.context_settings.setdefault("help_option_names", ["-h", "--help"])
        super().add_command(cmd, name)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line. An output that cannot be written, on a full disk say, ends with one line too."""
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
@click.argument("sources", nargs=-1, required=True, type=FOLDER, metavar="IMAGE|FOLDER...")
@click.option("--model", default="", metavar="BUNDLE[:ARTIFACT]", help="Which model; the shipped one by default.")
@click.option("--heatmap", type=FOLDER, metavar="DIR", help="Write an overlay of where the model looked, a film each.")
@click.option("--json", "form", flag_value="json", help="A line of JSON a film.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a header.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="CPU threads.")
@click.pass_context
def classify(
    ctx: click.Context, sources: tuple[Path, ...], model: str, heatmap: Path | None, form: str | None, threads: int
) -> None:
    """Classify films. A film that cannot be read is a row with its error, and the exit code is then 1.

    \b
    Examples:
      cxr-edge classify film.png
      cxr-edge classify films/ --heatmap maps --csv > results.csv
      cxr-edge classify film.dcm --model build/mine:int8 --json
    """
    from cxr_edge import classify as films
    from cxr_edge import rows

    bundle, artifact = _open_model(model)
    found = films.find_images(sources)
    places = {}
    if heatmap is not None:
        from cxr_edge import explain as maps
        from cxr_edge.files import prepare_folder

        places = maps.name_overlays(found, prepare_folder(heatmap))
    failed = 0

    def watch() -> Iterator[films.Prediction]:
        nonlocal failed
        for prediction in films.classify(bundle, artifact, found, threads=threads):
            failed += prediction.error is not None
            if places and prediction.error is None:
                maps.write(prediction, prediction.path, places[prediction.path])
            yield prediction

    for text in rows.FORMATS[form or "table"](watch()):
        click.echo(text, nl=False)
    ctx.exit(films.exit_code(failed, len(found)))


@main.command()
@click.argument("image", type=FOLDER)
@click.option("--out", required=True, type=FOLDER, help="The PNG to write.")
@click.option("--model", default="", metavar="BUNDLE[:ARTIFACT]", help="Which model; the shipped one by default.")
@click.option("--side-by-side", is_flag=True, help="Put the film beside the map.")
def explain(image: Path, out: Path, model: str, side_by_side: bool) -> None:
    """Draw where the model looked on IMAGE (Grad-CAM of the predicted class).

    \b
    Example:
      cxr-edge explain film.png --out map.png
    """
    from cxr_edge import classify as films
    from cxr_edge import explain as maps
    from cxr_edge import images
    from cxr_edge.errors import ImageError

    bundle, artifact = _open_model(model)
    (prediction,) = films.classify(bundle, artifact, [image])
    if prediction.error is not None:
        # A prediction keeps an error's text only; where the film is at fault, reading it again raises the error.
        images.read(image)
        raise ImageError(prediction.error)
    maps.write(prediction, image, out, side_by_side=side_by_side)
    click.echo(out)


@main.command()
@click.option("--out", required=True, type=FOLDER, help="Folder to write to.")
@click.option("--seed", default=0, show_default=True, help="Another seed gives other patients.")
def phantom(out: Path, seed: int) -> None:
    """Write the simulated films to disk, with lesion masks and a manifest.csv.

    \b
    Example:
      cxr-edge phantom --out simulated && cxr-edge train simulated --out build/try --weights none
    """
    from cxr_edge import phantom as films
    from cxr_edge.dataset import PHANTOM_COUNTS
    from cxr_edge.progress import Progress

    with Progress("drawing films", sum(PHANTOM_COUNTS.values())) as progress:
        click.echo(films.write_folder(out, PHANTOM_COUNTS, seed, progress=progress))


def _open_model(model: str) -> tuple[Bundle, Artifact]:
    """Return the bundle and artifact of BUNDLE[:ARTIFACT]; a folder whose name has a colon is still a folder."""
    from cxr_edge.classify import choose_artifact

    folder, name = model, ""
    if ":" in model and not os.path.isdir(model):
        folder, name = model.rsplit(":", 1)
    bundle = Bundle.read(Path(folder) if folder else default_bundle_path())
    return bundle, bundle.artifact(name) if name else choose_artifact(bundle)


def _complain(text: str) -> None:
    """Write one line to stderr; what a file name may hold of line ends and terminal codes is escaped."""
    from cxr_edge.rows import printable

    click.echo(f"cxr-edge: {printable(text)}", err=True)


def _drop_output() -> None:
    # What could not be written would fail once more, with a traceback, when Python ends.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


for command in (train, export, bench, verify, devices):
    main.add_command(command)

if __name__ == "__main__":
    sys.exit(main())
