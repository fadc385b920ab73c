"""The command group study. Parse, call, print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cxr_edge.bundles.bundle import open_bundle
from cxr_edge.cli.arguments import AS_JSON, DATA, PATH, POSITIVE, need_tensorflow

if TYPE_CHECKING:
    from cxr_edge.studies.report.study_page import Study

__all__ = ["study"]

_WEIGHTS = click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    help="A folder of no-top ImageNet files, a file, imagenet (downloads) or none.",
)
_OUT = click.option("--out", required=True, type=PATH, help="Folder of result, tables and figures.")
_RESUME = click.option("--resume", is_flag=True, help="Go on with a study that was stopped in the same --out.")
_ENGINE = click.option(
    "--engine",
    default="here",
    show_default=True,
    help="here (one training after another), local (processes) or ray (a cluster).",
)
_WORKERS = click.option("--workers", type=click.IntRange(min=1), help="Trainings at once on the engine; a core each.")
_SEEDS = click.option("--seeds", type=click.IntRange(min=1), help="How many seeds, from 0 on.")
_FILMS = click.option("--films", type=click.IntRange(min=1), help="Only about so many training films, whole patients.")


@click.group()
def study() -> None:
    """Repeat the paper's experiments on your films.

    \b
    Examples:
      cxr-edge study backbones ~/films --weights ~/weights --out build/backbones
      cxr-edge study augmentation phantom --out sheet.png
    """


@study.command()
@DATA
@_OUT
@_WEIGHTS
@click.option("--backbone", "backbones", multiple=True, help="Compare these only; may be repeated.")
@_SEEDS
@click.option("--epochs", type=click.IntRange(min=1), help="At most this many epochs of the head; 60 by default.")
@click.option("--no-devices", is_flag=True, help="Neither export nor time the models.")
@POSITIVE
@_RESUME
@_ENGINE
@_WORKERS
@AS_JSON
def backbones(
    data: str, out: Path, no_devices: bool, resume: bool, engine: str, workers: int | None, as_json: bool, **chosen: Any
) -> None:
    """Compare frozen ImageNet backbones under the paper's head on DATA.

    Features are computed once for each backbone and kept in --out, so that heads train in seconds. A backbone whose
    weights are not there is a row that says so.

    \b
    Example:
      cxr-edge study backbones ~/films --weights ~/weights --out build/backbones
    """
    need_tensorflow("a study", "export", "litert_quantizer")
    from cxr_edge.studies import backbones as comparing
    from cxr_edge.studies.jobs import Engine

    options = comparing.BackboneOptions(data=data, devices=not no_devices, **_given(chosen))
    result = comparing.run(options, out, resume=resume, engine=Engine(engine, workers))
    _finish(result, out, as_json=as_json)


@study.command()
@DATA
@_OUT
@_WEIGHTS
@click.option("--fraction", "fractions", multiple=True, type=float, help="Part unfrozen, 0 to 1; may be repeated.")
@_SEEDS
@click.option("--epochs", type=click.IntRange(min=1), help="Epochs of every training; 12 by default.")
@_FILMS
@click.option("--copies", type=click.IntRange(min=1), help="Augmented versions of each film; 4 by default.")
@POSITIVE
@_RESUME
@_ENGINE
@_WORKERS
@AS_JSON
def unfreeze(
    data: str, out: Path, resume: bool, engine: str, workers: int | None, as_json: bool, **chosen: Any
) -> None:
    """Train 33, 44, 55 and 100 % of MobileNetV2 on DATA over several seeds.

    Every fraction sees the same films and runs the same epochs. The whole of it takes hours on two cores; --films,
    --epochs and --copies make it smaller, and the result says so.

    \b
    Example:
      cxr-edge study unfreeze ~/films --weights ~/weights --films 400 --epochs 8 --out build/unfreeze
    """
    need_tensorflow("a study", "train")
    from cxr_edge.studies import unfreeze as training
    from cxr_edge.studies.jobs import Engine

    options = training.UnfreezeOptions(data=data, **_given(chosen))
    result = training.run(options, out, resume=resume, engine=Engine(engine, workers))
    _finish(result, out, as_json=as_json)


@study.command()
@DATA
@_OUT
@_WEIGHTS
@click.option("--way", "ways", multiple=True, help="none, weights, focal, augment or source; may be repeated.")
@_SEEDS
@click.option("--epochs", type=click.IntRange(min=1), help="At most this many epochs of the head; 60 by default.")
@_FILMS
@click.option("--backbone", help="The frozen backbone; mobilenetv2 by default.")
@POSITIVE
@_RESUME
@_ENGINE
@_WORKERS
@AS_JSON
def balance(data: str, out: Path, resume: bool, engine: str, workers: int | None, as_json: bool, **chosen: Any) -> None:
    """Compare ways to meet unequal classes on DATA: nothing, class weights, focal loss, augmented copies.

    \b
    Example:
      cxr-edge study balance ~/films --weights ~/weights --out build/balance
    """
    need_tensorflow("a study", "train")
    from cxr_edge.studies import balance as comparing
    from cxr_edge.studies.jobs import Engine

    options = comparing.BalanceOptions(data=data, **_given(chosen))
    result = comparing.run(options, out, resume=resume, engine=Engine(engine, workers))
    _finish(result, out, as_json=as_json)


@study.command()
@DATA
@click.option("--out", required=True, type=PATH, help="The picture: .png, .jpg or .webp.")
@click.option("--set", "sets", multiple=True, help="paper, default or mild; all by default.")
@click.option("--films", type=click.IntRange(min=1), help="Films of each class; 2 by default.")
@click.option("--copies", type=click.IntRange(min=1), help="Augmented versions of each; 7 by default.")
@click.option("--seed", type=int, help="Another seed draws other versions.")
@POSITIVE
def augmentation(data: str, out: Path, **chosen: Any) -> None:
    """Draw a contact sheet: films of DATA as the augmentations show them.

    \b
    Example:
      cxr-edge study augmentation ~/films --set paper --out sheet.png
    """
    from cxr_edge.studies.augmentation import SheetOptions, draw_sheet

    click.echo(draw_sheet(SheetOptions(data=data, **_given(chosen)), out))


@study.command()
@click.argument("bundle", type=PATH)
@click.option("--data", default="phantom", show_default=True, help="Films to show.")
@click.option("--split", default="test", show_default=True, help="Which split of them.")
@click.option("--each", default=2, show_default=True, type=click.IntRange(min=1), help="Films of each outcome.")
@click.option("--out", required=True, type=PATH, help="The picture: .png, .jpg or .webp.")
@AS_JSON
def gradcam(bundle: Path, data: str, split: str, each: int, out: Path, as_json: bool) -> None:
    """Draw films that BUNDLE calls right and wrong, with the heat maps of float32 and int8.

    \b
    Example:
      cxr-edge study gradcam build/mine --data ~/films --out gradcam.png
    """
    from cxr_edge.data.dataset import open_dataset
    from cxr_edge.studies.gradcam import draw_gradcam

    opened = open_bundle(bundle)
    shown = draw_gradcam(opened, open_dataset(data, positive=opened.manifest.positive), out, split=split, each=each)
    click.echo(json.dumps(shown.to_json(), indent=2) if as_json else out)


def _given(chosen: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, so that the others keep the defaults of the study."""
    kept = {name: value for name, value in chosen.items() if value is not None and value != ()}
    if "seeds" in kept:
        kept["seeds"] = tuple(range(kept["seeds"]))
    return kept


def _finish(result: Study, out: Path, *, as_json: bool) -> None:
    from cxr_edge.studies.report.study_page import TABLES

    click.echo(json.dumps(result.to_json(), indent=2) if as_json else (out / TABLES).read_text(encoding="utf-8"))
