"""The command calibrate. Parse, call, print."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cxr_edge.bundles.bundle import open_named
from cxr_edge.cli.arguments import AS_JSON, PATH
from cxr_edge.system.about import RESEARCH_ONLY

__all__ = ["calibrate"]


@click.command()
@click.argument("bundle", metavar="BUNDLE[:ARTIFACT]")
@click.option("--data", required=True, help="Films; val is fitted on, test measured.")
@click.option(
    "--rule",
    default="youden-1se",
    show_default=True,
    help="youden: the best index on val; youden-1se: the widest gap between logits within a standard error of it.",
)
@click.option("--sensitivity", type=float, help="Wanted sensitivity on val, such as 0.95, in place of --rule.")
@click.option("--out", type=PATH, help="Write a copy of the bundle here, and leave BUNDLE as it is.")
@AS_JSON
def calibrate(bundle: str, data: str, rule: str, sensitivity: float | None, out: Path | None, as_json: bool) -> None:
    """Choose threshold and temperature of BUNDLE on the films of DATA, and write them into its manifest.

    The probabilities are those of ARTIFACT, model.keras by default. A reliability plot is written beside the bundle.
    Export after this: the artifacts hold the threshold too.

    \b
    Examples:
      cxr-edge calibrate build/mine --data ~/films --sensitivity 0.95
      cxr-edge calibrate build/mine:int8 --data ~/films
    """
    from cxr_edge.data.dataset import open_dataset
    from cxr_edge.studies.calibrate import calibrate as fit

    opened, artifact = open_named(bundle)
    dataset = open_dataset(data, positive=opened.manifest.positive)
    found = fit(opened, dataset, artifact=artifact, rule=rule, sensitivity=sensitivity, out=out)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
        return
    fitted = found.fitted
    click.echo(f"threshold {fitted.threshold:.4f} ({fitted.rule}), temperature {fitted.temperature:.3f}")
    for split, own in found.figures.items():
        click.echo(f"{split}: sensitivity {own.counts.sensitivity:.3f}, specificity {own.counts.specificity:.3f}")
    click.echo(RESEARCH_ONLY)
