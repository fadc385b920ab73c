"""The commands train and phantom. Parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cxr_edge.bundles.bundle import open_bundle
from cxr_edge.cli.arguments import DATA, PATH, POSITIVE, need_tensorflow
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["phantom", "train"]


@click.command()
@DATA
@click.option("--out", required=True, type=PATH, help="Folder of the new bundle.")
@click.option("--preset", default="default", show_default=True, help="default (one of three), single or paper.")
@click.option("--backbone", help="mobilenetv2 (default), inceptionv3, resnet50v2 or xception.")
@click.option("--unfreeze", type=float, help="Part of the backbone's layers that train, 0 to 1.")
@click.option("--weights", default="imagenet", show_default=True, help="imagenet (downloads), none, or a weights file.")
@click.option("--balance", help="augment, weights, focal, source or none; each preset has its own.")
@click.option("--ranking", type=float, help="Weight of the loss on pairs within a source, where the backbone trains.")
@click.option("--add", "added", multiple=True, help="A further data set to train with, such as phantom.")
@POSITIVE
@click.option(
    "--teacher", "teachers", multiple=True, type=PATH, help="A bundle to learn from, in place of training teachers."
)
@click.option("--epochs", type=click.IntRange(min=1), help="At most this many epochs in each stage.")
@click.option("--seed", default=0, show_default=True, help="Seed of splits, augmentation and weights.")
@click.option("--name", help="Name of the bundle; the folder's name by default.")
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
def train(
    data: str,
    out: Path,
    name: str | None,
    resume: bool,
    added: tuple[str, ...],
    positive: str,
    teachers: tuple[Path, ...],
    **options: Any,
) -> None:
    """Train a classifier on DATA and write a bundle.

    DATA is a folder with a manifest.csv, a folder with one folder per class, or 'phantom', the simulated set.

    \b
    Examples:
      cxr-edge train ~/films --out build/mine --weights mobilenet_v2_no_top.weights.h5
      cxr-edge train ~/films --out build/paper --preset paper
      cxr-edge train phantom --out build/try --preset single --weights none --epochs 2
      cxr-edge train ~/films --out build/both --teacher build/mine --teacher build/theirs
    """
    from cxr_edge.data.dataset import open_dataset
    from cxr_edge.system.progress import say
    from cxr_edge.training import options as presets

    chosen = presets.build(**options)
    dataset = open_dataset(data, positive=positive, seed=options["seed"])
    for more in added:
        dataset = dataset.join(open_dataset(more, positive=positive, seed=options["seed"]))
    for note in dataset.notes:
        say(f"note: {note}")
    bundles = [open_bundle(teacher) for teacher in teachers]
    need_tensorflow("training", "train")
    from cxr_edge.training.outcome.card import headline
    from cxr_edge.training.train import train as run

    bundle = run(dataset, chosen, out, name=name, resume=resume, teachers=bundles)
    click.echo(f"{out}: {headline(bundle.manifest)}; read {out / 'MODEL_CARD.md'}")
    click.echo(RESEARCH_ONLY)


@click.command()
@click.option("--out", required=True, type=PATH, help="Folder to write to.")
@click.option("--count", type=click.IntRange(min=1), help="How many images in all; 1050 by default.")
@click.option("--seed", default=0, show_default=True, help="Another seed gives other patients.")
def phantom(out: Path, count: int | None, seed: int) -> None:
    """Write simulated images to disk, with lesion masks and a manifest.csv.

    The images are spread over the splits train, val and test. Fewer than 12 are all in test.

    \b
    Examples:
      cxr-edge phantom --out samples --count 4 && cxr-edge classify samples/test
      cxr-edge phantom --out simulated && cxr-edge train simulated --out build/try --weights none
    """
    from cxr_edge.data.dataset import PHANTOM_COUNTS
    from cxr_edge.phantom.sets import spread, write_folder
    from cxr_edge.system.progress import Progress

    counts = PHANTOM_COUNTS if count is None else spread(count)
    with Progress("drawing images", sum(counts.values())) as progress:
        click.echo(write_folder(out, counts, seed, progress=progress))
