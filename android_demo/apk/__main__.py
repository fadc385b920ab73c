"""`make apk`: build the Android demo from a bundle.

python -m android_demo.apk [BUNDLE] [--artifact NAME]... [--out DIR]
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from android_demo.apk import checks, package
from android_demo.apk.downloads import ROOT
from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.errors import CxrEdgeError
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.system.progress import say


@click.command(help=__doc__)
@click.argument("bundle", required=False, type=click.Path(path_type=Path))
@click.option("--artifact", "artifacts", multiple=True, help="An artifact to pack; default: every int8 one.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=ROOT / "build" / "android", show_default="build/android"
)
def main(bundle: Path | None, artifacts: tuple[str, ...], out: Path) -> None:
    """Build, check and name the APKs."""
    try:
        for apk in package.build(_open(bundle), out, artifacts=artifacts):
            facts = checks.check(apk.signed)
            size_mb = apk.signed.stat().st_size / 1e6
            click.echo(f"{apk.signed}  {size_mb:.1f} MB  {', '.join(facts.assets)}")
    except CxrEdgeError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
    click.echo(RESEARCH_ONLY)


def _open(path: Path | None) -> Bundle:
    if path is not None:
        return Bundle.read(path)
    shipped = Bundle.read(default_bundle_path())
    exported = ROOT / "build" / shipped.manifest.name
    if exported.is_dir():
        return Bundle.read(exported)
    say(
        f"apk: there is no build/{shipped.manifest.name}, so the shipped bundle is packed: int8 TFLite alone, "
        "no ONNX and no self-test. For both, first type: cxr-edge export --quantize int8"
    )
    return shipped


if __name__ == "__main__":
    main()
