"""The command devices. Parse, call, print."""

from __future__ import annotations

import click

__all__ = ["devices"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def devices(as_json: bool) -> None:
    """List the devices that bench can measure on from here, and what the others lack.

    \b
    Examples:
      cxr-edge devices
      cxr-edge devices --json
    """
    from cxr_edge.benchmarks.devices import listing

    found = listing.survey()
    if as_json:
        import json

        click.echo(json.dumps([row.to_json() for row in found], indent=2))
    else:
        click.echo(listing.table(found))
