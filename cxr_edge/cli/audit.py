"""The command audit. Parse, call, print."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cxr_edge.cli.arguments import AS_JSON, DATA, PATH, POSITIVE, need_tensorflow
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.system.extras import need

__all__ = ["audit"]


@click.command()
@DATA
@click.option("--out", required=True, type=PATH, help="Folder of audit.json, audit.html and audit.svg.")
@click.option("--model", metavar="BUNDLE[:ARTIFACT]", help="A model to audit too; 'default' is the shipped one.")
@click.option("--weights", type=PATH, metavar="FILE", help="No-top MobileNetV2 weights, for a probe on its features.")
@POSITIVE
@AS_JSON
def audit(data: str, out: Path, model: str | None, weights: Path | None, positive: str, as_json: bool) -> None:
    """Say whether DATA, or a classifier, reveals the class by something other than the lungs.

    Plain classifiers are trained on what a film shows without lung detail and measured over all sources, within each,
    and on one that was left out. With a model: its AUC by source, and how much of its heat maps lies outside the lungs.

    \b
    Examples:
      cxr-edge audit ~/films --out build/audit
      cxr-edge audit ~/films --model default --out build/audit
      cxr-edge audit ~/films --model build/mine:float32 --out build/audit
    """
    need("an audit", "audit", "sklearn")
    from cxr_edge.audit import run
    from cxr_edge.data.dataset import open_dataset
    from cxr_edge.inference.classify import find_model

    dataset = open_dataset(data, positive=positive)
    bundle, artifact = (None, None) if model is None else find_model(model)
    probes = {}
    if weights is not None:
        need_tensorflow("a study", "train")
        from cxr_edge.studies.cached_heads import all_features

        probes["MobileNetV2 features"] = all_features(dataset, "mobilenetv2", str(weights), out / "features")
    result = run.audit(dataset, bundle, artifact=artifact, probes=probes)
    written = run.write(result, out)
    click.echo(json.dumps(result.to_json(), indent=2) if as_json else "\n".join([*result.verdict, RESEARCH_ONLY]))
    for path in written:
        click.echo(f"wrote {path}", err=True)
