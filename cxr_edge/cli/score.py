"""The command score. Parse, call, print."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from cxr_edge.cli.arguments import PATH

if TYPE_CHECKING:
    from cxr_edge.archive.run import Summary

__all__ = ["score"]


@click.command()
@click.argument("archive", type=PATH)
@click.option("--out", required=True, type=PATH, help="Folder for the shards; a run that was stopped goes on in it.")
@click.option("--model", default="", metavar="BUNDLE[:ARTIFACT]", help="Which model; the shipped one by default.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Processes of this machine, or Ray: the cluster of RAY_ADDRESS or one of this machine.",
)
@click.option("--workers", type=click.IntRange(min=1), help="How many work at once; one a core by default.")
@click.option("--heatmap", type=PATH, metavar="DIR", help="Write an overlay of where the model looked, a film each.")
@click.option(
    "--shard-films", type=click.IntRange(min=1), help="Films a shard; 50 to 1000 by default, by the archive's size."
)
@click.option(
    "--as-listed", is_flag=True, help="Go on with the films that were listed when the run began, come what may since."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def score(
    ctx: click.Context,
    archive: Path,
    out: Path,
    model: str,
    engine: str,
    workers: int | None,
    heatmap: Path | None,
    shard_films: int | None,
    as_listed: bool,
    as_json: bool,
) -> None:
    """Score an archive of films into Parquet shards: a folder tree, a .csv manifest, a list of paths, a zip or a tar.

    A film that cannot be read is a row with its error; the exit code is 1 only when none could be read. After a stop
    the same command goes on where it was.

    \b
    Examples:
      cxr-edge score /mnt/archive --out scores
      cxr-edge score films.tar --out scores --heatmap maps --json
      RAY_ADDRESS=head:6379 cxr-edge score list.txt --out scores --engine ray
    """
    from cxr_edge.archive import run
    from cxr_edge.inference.classify import find_model

    bundle, artifact = find_model(model)
    options = run.ScoreOptions(engine, workers, heatmap, shard_films, as_listed)
    with _terminable():
        summary = run.score(archive, out, bundle, artifact, options)
    if as_json:
        import json

        click.echo(json.dumps(summary.to_json(), indent=2))
    else:
        click.echo(_describe(summary), nl=False)
    ctx.exit(0 if summary.tally.labels else 1)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the run as Ctrl-C does: workers are ended, what is half-written is removed."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _describe(summary: Summary) -> str:
    """Return the counts for people."""
    from cxr_edge.system.text import printable

    facts: dict[str, Any] = summary.to_json()
    lines = [f"{films:>10}  {printable(label)}" for label, films in facts["labels"].items()]
    lines.append(f"{facts['untypical']:>10}  of these unlike the training films")
    lines += [f"{item['films']:>10}  error: {printable(item['error'])}" for item in facts["errors"]]
    named = sum(item["films"] for item in facts["errors"])
    if named < facts["failed"]:
        lines.append(f"{facts['failed'] - named:>10}  with other errors")
    shards = "1 shard" if facts["shards"] == 1 else f"{facts['shards']} shards"
    lines.append(f"{facts['films']:>10}  films in {shards} in {printable(facts['out'])}")
    return "\n".join([*lines, facts["research_only"], ""])
