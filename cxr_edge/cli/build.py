"""The commands of the workstation: train, export, bench. Parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.errors import UsageError
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["FOLDER", "bench", "export", "need", "train"]

FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("data", default="phantom")
@click.option("--out", required=True, type=FOLDER, help="Folder of the new bundle.")
@click.option("--preset", default="default", show_default=True, help="default (one of three), single or paper.")
@click.option("--backbone", help="mobilenetv2 (default), inceptionv3, resnet50v2 or xception.")
@click.option("--unfreeze", type=float, help="Part of the backbone's layers that train, 0 to 1.")
@click.option("--weights", default="imagenet", show_default=True, help="imagenet (downloads), none, or a weights file.")
@click.option("--balance", help="augment, weights, focal, source or none; each preset has its own.")
@click.option("--ranking", type=float, help="Weight of the loss on pairs within a source, where the backbone trains.")
@click.option("--add", "added", multiple=True, help="A further data set to train with, such as phantom.")
@click.option("--positive", default="covid", show_default=True, help="The class to be found.")
@click.option(
    "--teacher", "teachers", multiple=True, type=FOLDER, help="A bundle to learn from, in place of training teachers."
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

    DATA is a folder with manifest.csv, a folder a class, or 'phantom', the embedded simulated set.

    \b
    Examples:
      cxr-edge train ~/films --out build/mine --weights mobilenet_v2_no_top.weights.h5
      cxr-edge train ~/films --out build/paper --preset paper
      cxr-edge train phantom --out build/try --preset single --weights none --epochs 2
      cxr-edge train ~/films --out build/both --teacher build/mine --teacher build/theirs
    """
    from cxr_edge.data.dataset import open_dataset
    from cxr_edge.system.native_stderr import import_tensorflow
    from cxr_edge.system.progress import say
    from cxr_edge.training import options as presets

    chosen = presets.build(**options)
    dataset = open_dataset(data, positive=positive, seed=options["seed"])
    for more in added:
        dataset = dataset.join(open_dataset(more, positive=positive, seed=options["seed"]))
    for note in dataset.notes:
        say(f"note: {note}")
    bundles = [Bundle.read(teacher) for teacher in teachers]
    need("training", "train", "keras", "tensorflow", "matplotlib")
    import_tensorflow()
    from cxr_edge.training.train import train as run

    bundle = run(dataset, chosen, out, name=name, resume=resume, teachers=bundles)
    figures = bundle.manifest.metrics.get("test", bundle.manifest.metrics["val"])
    click.echo(f"{out}: AUC {figures['auc']:.3f}, accuracy {figures['accuracy']:.3f}; read {out / 'MODEL_CARD.md'}")
    click.echo(RESEARCH_ONLY)


@click.command()
@click.argument("bundle", required=False, type=FOLDER)
@click.option("--format", "formats", multiple=True, help="tflite or onnx; both by default.")
@click.option("--quantize", multiple=True, help="none, float16, dynamic, int8 or int16x8; may be repeated.")
@click.option("--data", default="phantom", show_default=True, help="Films for calibration and checks.")
@click.option("--budget", type=FOLDER, metavar="FILE", help="What int8 may lose, as JSON; a sensible one by default.")
@click.option("--no-repair", is_flag=True, help="Leave int8 as the stock tools make it.")
@click.option("--out", type=FOLDER, help="Folder of the result; build/<bundle name> by default.")
@click.option("--seed", default=0, show_default=True, help="Seed of the choice of calibration films.")
def export(
    bundle: Path | None,
    formats: tuple[str, ...],
    quantize: tuple[str, ...],
    data: str,
    out: Path | None,
    budget: Path | None,
    no_repair: bool,
    seed: int,
) -> None:
    """Convert a BUNDLE's classifier to TFLite and ONNX; float32 always comes along.

    Every artifact takes uint8 pixels and gives probabilities, heat map and typicality. Float artifacts are compared
    with the Keras model before they are written. int8 is repaired until it is within the budget on the val films; what
    that took, and what the test films say, is in repair.json. Exit code 3 when the budget cannot be met.

    \b
    Examples:
      cxr-edge export --quantize int8
      cxr-edge export build/mine --quantize int8 --quantize float16 --data ~/films
      cxr-edge export build/mine --format tflite --quantize int8 --out build/phone
      echo '{"flips": 0.005}' > budget.json && cxr-edge export build/mine --quantize int8 --budget budget.json
    """
    from cxr_edge.export import pipeline
    from cxr_edge.metrics.budget import Budget

    if budget is not None and no_repair:
        raise UsageError(f"--budget {budget} and --no-repair contradict each other; give one of them")
    limits = None if no_repair else Budget() if budget is None else Budget.read(budget)
    chosen = formats or ("tflite", "onnx")
    options = pipeline.ExportOptions(formats=chosen, quantize=quantize, data=data, seed=seed, budget=limits)
    result = pipeline.export(_open_bundle(bundle), options, out)
    for artifact in result.manifest.artifacts.values():
        click.echo(f"{result.path / artifact.name}  {artifact.size_bytes / 1e6:.2f} MB")


@click.command()
@click.argument("bundle", required=False, type=FOLDER)
@click.option(
    "--device", "devices", multiple=True, help="Where to measure, cpu by default; 'cxr-edge devices' lists the choices."
)
@click.option("--allow-software-gpu", is_flag=True, help="Let a GPU driver that computes on the CPU stand in.")
@click.option("--data", default="phantom", show_default=True, help="Films to measure on.")
@click.option("--split", default="test", show_default=True, help="Which split of them.")
@click.option("--threads", multiple=True, type=click.IntRange(min=1), help="CPU threads; may be repeated.")
@click.option("--strict", is_flag=True, help="Time at least 1,024 runs and 60 s each, not 100 and 5 s.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run of the same kind in the same --out.")
@click.option("--out", type=FOLDER, help="Folder of the report; <bundle>-bench beside the bundle by default.")
@click.option("--margin", type=float, help="The loss of AUC that the verdict is about; 0.01, or the budget's.")
@click.option("--specificity", default=0.90, show_default=True, help="Where sensitivities are compared.")
@click.option("--budget", type=FOLDER, metavar="FILE", help="Limits as JSON; the exit code is 3 when one is missed.")
@click.option("--no-pictures", is_flag=True, help="Leave the films out of the page.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def bench(
    bundle: Path | None,
    devices: tuple[str, ...],
    data: str,
    split: str,
    threads: tuple[int, ...],
    allow_software_gpu: bool,
    strict: bool,
    resume: bool,
    out: Path | None,
    margin: float | None,
    specificity: float,
    budget: Path | None,
    no_pictures: bool,
    as_json: bool,
) -> None:
    """Measure drift, latency, size and memory of every artifact of a BUNDLE against the Keras model.

    Without BUNDLE, what export last wrote for the default bundle is measured. The report is written as JSON, HTML, CSV,
    Markdown and JUnit XML.

    \b
    Examples:
      cxr-edge bench --device cpu
      cxr-edge bench build/mine --data ~/films --threads 1 --threads 2 --out report
      cxr-edge bench build/mine --device cpu --device ssh://pi@raspberrypi --device pi-emulated:a53
      echo '{"auc_margin": 0.02, "p90_ms": 50}' > limits.json && cxr-edge bench build/mine --budget limits.json
    """
    import dataclasses

    from cxr_edge.benchmarks import run as harness
    from cxr_edge.benchmarks.drift import gallery
    from cxr_edge.benchmarks.report import report_files
    from cxr_edge.benchmarks.result import budget_check
    from cxr_edge.data.dataset import open_dataset
    from cxr_edge.errors import BudgetMissedError
    from cxr_edge.metrics.budget import Limits

    opened = open_exported(bundle)
    place = opened.place.with_suffix("") if opened.archive else opened.path
    out = out or place.with_name(f"{place.name}-bench")
    limits = None if budget is None else Limits.read(budget)
    options = harness.BenchOptions(
        devices=devices or ("cpu",),
        threads=threads or (1,),
        split=split,
        margin=budget_check.choose_margin(margin, limits),
        specificity=specificity,
        allow_software_gpu=allow_software_gpu,
    )
    options = dataclasses.replace(options, **(harness.STRICT if strict else {}))
    films = open_dataset(data, positive=opened.manifest.positive)
    result = harness.run(opened, films, options, out=out, limits=limits, resume=resume)
    written = report_files.write(result, out, {} if no_pictures else gallery.draw(result.gallery, films))
    if as_json:
        import json

        click.echo(json.dumps(result.to_json(), indent=2))
    else:
        click.echo(report_files.table(result))
    for path in written:
        click.echo(f"wrote {path}", err=True)
    if result.budget is not None and result.budget.misses:
        raise BudgetMissedError(f"{budget}: the budget is not met: {budget_check.describe(result.budget)}")


def _open_bundle(path: Path | None) -> Bundle:
    return Bundle.read(path or default_bundle_path())


def open_exported(path: Path | None) -> Bundle:
    if path is not None:
        return Bundle.read(path)
    written = Path("build") / Bundle.read(default_bundle_path()).manifest.name
    if not written.is_dir():
        raise UsageError(
            f"{written}: nothing exported yet; type 'cxr-edge export --quantize int8' first, or name a bundle"
        )
    return Bundle.read(written)


def need(purpose: str, extra: str, *modules: str) -> None:
    """Raise MissingExtraError unless all of an extra's `modules` are installed; nothing is imported."""
    import importlib.util

    from cxr_edge.errors import MissingExtraError

    if any(importlib.util.find_spec(module) is None for module in modules):
        raise MissingExtraError(purpose, extra)
