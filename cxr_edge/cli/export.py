"""The command export. Parse, call, print."""

from __future__ import annotations

from pathlib import Path

import click

from cxr_edge.bundles.bundle import DEFAULT, Bundle, open_bundle
from cxr_edge.cli.arguments import PATH
from cxr_edge.errors import BudgetMissedError, UsageError

__all__ = ["export"]


@click.command()
@click.argument("bundle", required=False, type=PATH)
@click.option("--format", "formats", multiple=True, help="tflite or onnx; both by default.")
@click.option("--quantize", multiple=True, help="float32, float16, dynamic, int8 or int16x8; may be repeated.")
@click.option("--data", default="phantom", show_default=True, help="Films for calibration and checks.")
@click.option("--budget", type=PATH, metavar="FILE", help="Limits on what int8 may lose, as JSON.")
@click.option("--no-repair", is_flag=True, help="Keep int8 as the stock tools make it.")
@click.option("--out", type=PATH, help="Folder of the result; build/<bundle name> by default.")
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
    """Convert a BUNDLE's classifier to TFLite and ONNX; float32 is always exported.

    Without BUNDLE, it exports the shipped bundle.

    Every artifact takes uint8 pixels and gives probabilities, heat map and typicality. Float artifacts are compared
    with the Keras model before they are written. int8 is repaired until it is within the budget on the val images;
    repair.json lists the steps, and the drift on the test images. Exit code 3 when the budget cannot be met.

    \b
    Examples:
      cxr-edge export --quantize int8
      cxr-edge export build/mine --quantize int8 --quantize float16 --data ~/films
      cxr-edge export build/mine --format tflite --quantize int8 --out build/phone
      echo '{"flips": 0.005}' > budget.json && cxr-edge export build/mine --quantize int8 --budget budget.json
    """
    from cxr_edge.export import api, pipeline, summary
    from cxr_edge.metrics.budget import Budget

    if budget is not None and no_repair:
        raise UsageError(f"--budget {budget} and --no-repair contradict each other; give one of them")
    limits = None if budget is None else Budget.read(budget)
    opened = open_bundle(bundle or DEFAULT)
    try:
        exported = api.export(
            opened,
            quantize=quantize,
            formats=formats or ("tflite", "onnx"),
            data=data,
            budget=limits,
            repair=not no_repair,
            out=out,
            seed=seed,
        )
        click.echo(summary.describe(exported))
    except BudgetMissedError:
        # The artifacts are written all the same, and what they lose matters more than ever.
        click.echo(summary.describe(Bundle.read(out or pipeline.default_out(opened))))
        raise
