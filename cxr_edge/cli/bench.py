"""The commands `bench`, `devices` and `report`: parse the arguments, call, print."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cxr_edge.bundles.bundle import DEFAULT, Bundle, default_bundle_path, open_bundle
from cxr_edge.cli.arguments import AS_JSON, PATH

__all__ = ["bench", "devices", "report"]


@click.command()
@click.argument("bundle", required=False, type=PATH)
@click.option(
    "--device", "devices", multiple=True, help="Where to measure, cpu by default; 'cxr-edge devices' lists the choices."
)
@click.option("--allow-software-gpu", is_flag=True, help="Accept a GPU driver that computes on the CPU.")
@click.option("--data", default="phantom", show_default=True, help="Images to measure on.")
@click.option("--split", default="test", show_default=True, help="The split to measure on.")
@click.option("--threads", multiple=True, type=click.IntRange(min=1), help="CPU threads; may be repeated.")
@click.option(
    "--strict", is_flag=True, help="Time at least 1,024 runs and 60 s for each artifact, instead of 100 runs and 5 s."
)
@click.option("--resume", is_flag=True, help="Continue an interrupted run with the same options and --out.")
@click.option(
    "--out",
    type=PATH,
    help="Folder for the report; default: <bundle>-bench beside the bundle, build/default-bench for the shipped one.",
)
@click.option("--margin", type=float, help="Largest acceptable loss of AUC; default: the budget's, or 0.01.")
@click.option("--specificity", default=0.90, show_default=True, help="Compare sensitivities at this specificity.")
@click.option("--budget", type=PATH, metavar="FILE", help="Limits as JSON; the exit code is 3 if one is missed.")
@click.option("--no-pictures", is_flag=True, help="Leave the images out of the page.")
@click.option("--verbose", is_flag=True, help="Print every figure and the reason of every verdict.")
@AS_JSON
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
    verbose: bool,
    as_json: bool,
) -> None:
    """Measure drift, latency, size and memory of every artifact of a BUNDLE against the Keras model.

    Prints a table, a line for each verdict, and which artifact to ship. Writes the whole report as HTML, JSON, CSV,
    Markdown and JUnit XML. Without BUNDLE, it measures the shipped bundle.

    \b
    Examples:
      cxr-edge bench --device cpu
      cxr-edge bench build/mine --data ~/films --threads 1 --threads 2 --out report
      cxr-edge bench build/mine --device cpu --device ssh://pi@raspberrypi --device pi-emulated:a53
      echo '{"auc_margin": 0.02, "p90_ms": 50}' > limits.json && cxr-edge bench build/mine --budget limits.json
    """
    from cxr_edge.benchmarks import api
    from cxr_edge.benchmarks.report import report_files
    from cxr_edge.benchmarks.report.report_files import HTML_NAME
    from cxr_edge.benchmarks.result import budget_check
    from cxr_edge.errors import BudgetMissedError
    from cxr_edge.metrics.budget import Limits

    opened = open_bundle(bundle or DEFAULT)
    limits = None if budget is None else Limits.read(budget)
    options = api.make_options(
        split=split,
        devices=devices or ("cpu",),
        threads=threads or (1,),
        budget=limits,
        margin=margin,
        specificity=specificity,
        allow_software_gpu=allow_software_gpu,
        strict=strict,
    )
    out = out or name_report(opened)
    result, written = api.bench_and_write(opened, data, options, limits, out, resume=resume, pictures=not no_pictures)
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=2))
    else:
        click.echo(report_files.details(result) if verbose else report_files.summary(result, out / HTML_NAME))
    if as_json or verbose:
        for path in written:
            click.echo(f"wrote {path}", err=True)
    if result.budget is not None and result.budget.misses:
        raise BudgetMissedError(f"{budget}: the budget is not met: {budget_check.describe(result.budget)}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def devices(as_json: bool) -> None:
    """List the devices that bench can use from this machine, and what the others lack.

    \b
    Examples:
      cxr-edge devices
      cxr-edge devices --json
    """
    from cxr_edge.benchmarks.devices import listing

    found = listing.survey()
    click.echo(json.dumps([row.to_json() for row in found], indent=2) if as_json else listing.table(found))


@click.group()
def report() -> None:
    """Read bench results again.

    \b
    Example:
      cxr-edge report compare build/before-bench build/after-bench
    """


@report.command()
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option("--verbose", is_flag=True, help="Print every figure and what the intervals mean.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def compare(a: Path, b: Path, verbose: bool, as_json: bool) -> None:
    """Compare two bench results and say which differences exceed the noise.

    A and B are folders that bench wrote, or their bench.json.

    \b
    Example:
      cxr-edge report compare build/before-bench build/after-bench
    """
    from cxr_edge.benchmarks import compare as comparing
    from cxr_edge.benchmarks.report import comparison
    from cxr_edge.benchmarks.report import report_files as results

    found = comparing.compare(results.read(a), results.read(b))
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    else:
        form = comparison.describe if verbose else comparison.summarise
        click.echo(form(found, str(a), str(b)))


def name_report(bundle: Bundle) -> Path:
    """Return the folder of a bundle's report where --out does not name one."""
    if bundle.path == default_bundle_path():
        # Beside the shipped bundle is the installed package, which may be read-only.
        return Path("build") / f"{DEFAULT}-bench"
    place = bundle.place.with_suffix("") if bundle.archive else bundle.path
    return place.with_name(f"{place.name}-bench")
