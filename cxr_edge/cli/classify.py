"""The commands for films: classify, explain. Parse, call, print."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.cli.arguments import PATH
from cxr_edge.errors import UsageError

if TYPE_CHECKING:
    from cxr_edge.inference.classify import Prediction

__all__ = ["classify", "explain"]


@click.command()
@click.argument("sources", nargs=-1, required=True, type=PATH, metavar="IMAGE|FOLDER|-...")
@click.option("--model", default="", metavar="BUNDLE[:ARTIFACT]", help="Which model; the shipped one by default.")
@click.option("--heatmap", type=PATH, metavar="DIR", help="Write an overlay of where the model looked, a film each.")
@click.option("--watch", "watched", is_flag=True, help="Go on with what comes to the folders, until stopped.")
@click.option(
    "--journal", type=PATH, metavar="FILE", help="Where --watch notes what is done; in the state folder by default."
)
@click.option("--json", "form", flag_value="json", help="A line of JSON a film.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a header.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="CPU threads.")
@click.pass_context
def classify(
    ctx: click.Context,
    sources: tuple[Path, ...],
    model: str,
    heatmap: Path | None,
    watched: bool,
    journal: Path | None,
    form: str | None,
    threads: int,
) -> None:
    """Classify films. A film that cannot be read is a row with its error, and the exit code is then 1.

    A quoted pattern such as 'films/*.png' is one too, and - is standard input.

    \b
    Examples:
      cxr-edge classify film.png
      cxr-edge classify films/ --heatmap maps --csv > results.csv
      cxr-edge classify film.dcm --model build/mine:int8 --json
      cxr-edge classify incoming/ --watch --json >> results.jsonl
    """
    # Imports make tens of thousands of objects and no garbage, which is not to be looked for every 700 of them. Not put
    # back: that would start the search at once, and the process does nothing else.
    gc.set_threshold(50_000)
    if journal is not None and not watched:
        raise UsageError("--journal: is for --watch only; leave it out, or add --watch")
    from cxr_edge.inference.classify import find_model

    bundle, artifact = find_model(model)
    if watched:
        _watch(bundle, artifact, sources, heatmap, journal, form or "table", threads)
        return
    ctx.exit(_classify_all(bundle, artifact, sources, heatmap, form or "table", threads))


@click.command()
@click.argument("image", type=PATH)
@click.option("--out", required=True, type=PATH, help="The picture to write: .png, .jpg, .jpeg or .webp.")
@click.option("--model", default="", metavar="BUNDLE[:ARTIFACT]", help="Which model; the shipped one by default.")
@click.option("--side-by-side", is_flag=True, help="Put the film beside the map.")
def explain(image: Path, out: Path, model: str, side_by_side: bool) -> None:
    """Draw where the model looked on IMAGE (Grad-CAM of the predicted class).

    \b
    Example:
      cxr-edge explain film.png --out map.png
    """
    from cxr_edge.errors import ImageError
    from cxr_edge.imaging import decoder
    from cxr_edge.imaging.picture_files import picture_format
    from cxr_edge.inference import classify as films
    from cxr_edge.inference import explain as maps
    from cxr_edge.inference.classify import find_model

    # Before the model runs: a suffix that cannot be written is known now.
    picture_format(out)
    bundle, artifact = find_model(model)
    (prediction,) = films.classify(bundle, artifact, [image], keep_pictures=True)
    if prediction.error is not None:
        # A prediction keeps an error's text only; where the film is at fault, reading it again raises the error.
        decoder.read(image)
        raise ImageError(prediction.error)
    maps.write(prediction, out, side_by_side=side_by_side)
    click.echo(out)


def _classify_all(
    bundle: Bundle, artifact: Artifact, sources: tuple[Path, ...], heatmap: Path | None, form: str, threads: int
) -> int:
    """Print a row a film and return the exit code."""
    from cxr_edge.inference import classify as films
    from cxr_edge.inference import rows
    from cxr_edge.inference.sources import STDIN, find_images, read_stdin

    found = find_images(sources)
    contents = {STDIN: read_stdin()} if STDIN in found else {}
    keep = heatmap is not None
    predictions = films.classify(bundle, artifact, found, threads=threads, contents=contents, keep_pictures=keep)
    if heatmap is not None:
        from cxr_edge.inference import explain as maps
        from cxr_edge.system.files import prepare_folder

        places = maps.name_overlays(found, prepare_folder(heatmap))
        predictions = maps.write_each(predictions, places.__getitem__)
    tally = _Tally()
    for text in rows.FORMATS[form](tally.count(predictions)):
        click.echo(text, nl=False)
    return films.exit_code(tally.failed, tally.films)


def _watch(
    bundle: Bundle,
    artifact: Artifact,
    folders: tuple[Path, ...],
    heatmap: Path | None,
    journal: Path | None,
    form: str,
    threads: int,
) -> None:
    """Print a row a film as they come, until SIGTERM or Ctrl-C."""
    from cxr_edge import models
    from cxr_edge.inference import watch as watches
    from cxr_edge.inference import watch_journal as journals
    from cxr_edge.system.progress import say
    from cxr_edge.system.text import printable

    watches.check_folders(folders, heatmap)
    runtime = models.open_model(bundle, artifact, threads=threads)
    tally = _Tally()
    with watches.Stop() as stop, journals.Journal(journal or journals.default_path(folders)) as done:
        names = ", ".join(printable(str(folder)) for folder in folders)
        say(f"cxr-edge: watching {names}; {len(done)} films were done before")
        options = watches.WatchOptions(keep_pictures=heatmap is not None)
        predictions = watches.watch(runtime, bundle.manifest, folders, done, stop, options)
        if heatmap is not None:
            from cxr_edge.inference import explain as maps
            from cxr_edge.system.files import prepare_folder

            folder = prepare_folder(heatmap)
            predictions = maps.write_each(predictions, lambda film: folder / maps.name_overlay(film))
        for text in watches.format_on(form, tally.count(predictions), sys.stdout):
            click.echo(text, nl=False)
            watches.flush_to_disk(sys.stdout)
        say(f"cxr-edge: stopped; {tally.films} films, {tally.failed} of them could not be read")


class _Tally:
    """How many films went by, and how many of them could not be read."""

    def __init__(self) -> None:
        self.films = self.failed = 0

    def count(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        for prediction in predictions:
            self.films += 1
            self.failed += prediction.error is not None
            yield prediction
