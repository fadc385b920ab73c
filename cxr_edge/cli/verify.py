"""The command verify. Parse, call, print."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cxr_edge.bundles.bundle import DEFAULT, open_bundle
from cxr_edge.cli.arguments import PATH

__all__ = ["verify"]


@click.command()
@click.argument("bundle", required=False, type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="CPU threads.")
@click.option("--trust", "trusted", is_flag=True, help="If every check passes, mark its models as trusted.")
@click.pass_context
def verify(ctx: click.Context, bundle: Path | None, as_json: bool, threads: int, trusted: bool) -> None:
    """Check that BUNDLE is complete and that its models give the same outputs here as where they were made.

    Without BUNDLE, it checks the shipped bundle.

    Files are checked by hash. Artifacts are opened and run on the golden vectors that export stored. An artifact
    whose runtime is not installed is reported as "not run" and does not fail. The exit code is 1 when anything failed.

    Models that were not made on this machine run in a sandbox. --trust marks the models of a bundle that passed as
    trusted, so that they run without it. Use it only if you know who made the bundle.

    \b
    Examples:
      cxr-edge verify
      cxr-edge verify build/mine --json
      cxr-edge verify from-a-colleague.zip --trust
    """
    from cxr_edge.bundles import trust
    from cxr_edge.inference import verify as checks

    opened = open_bundle(bundle or DEFAULT)
    report = checks.verify(opened, threads=threads)
    click.echo(json.dumps(report.to_json(), indent=2) if as_json else checks.format_report(report))
    if trusted and report.passed:
        trust.note(artifact.sha256 for artifact in opened.manifest.artifacts.values())
        click.echo(f"trusted: the models of {opened.place} run without the sandbox from now on", err=True)
    ctx.exit(0 if report.passed else 1)
