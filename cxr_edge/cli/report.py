"""The commands on written bench results. Parse, call, print."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["report"]

RESULT = click.Path(path_type=Path)


@click.group()
def report() -> None:
    """Read bench results again.

    \b
    Example:
      cxr-edge report compare build/before-bench build/after-bench
    """


@report.command()
@click.argument("a", type=RESULT)
@click.argument("b", type=RESULT)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def compare(a: Path, b: Path, as_json: bool) -> None:
    """Set two bench results side by side and say which differences exceed the noise.

    A and B are folders that bench wrote, or their bench.json.

    \b
    Example:
      cxr-edge report compare build/before-bench build/after-bench
    """
    from cxr_edge.benchmarks import compare as comparing
    from cxr_edge.benchmarks.report import comparison
    from cxr_edge.benchmarks.report import report_files as results

    found = comparing.compare(results.read(a), results.read(b))
    click.echo(json.dumps(found.to_json(), indent=2) if as_json else comparison.describe(found, str(a), str(b)))
