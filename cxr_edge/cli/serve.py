"""The command serve. Parse, call, print."""

from __future__ import annotations

from pathlib import Path

import click

from cxr_edge.cli.arguments import PATH

__all__ = ["serve"]


@click.command()
@click.option("--models", type=PATH, metavar="DIR", help="A bundle, or a folder of bundles, beside those in build/.")
@click.option("--films", type=PATH, metavar="DIR", help="Films to choose from, beside the simulated ones.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=7860, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--allow-upload", is_flag=True, help="Let people add models; each runs in a sandbox.")
def serve(models: Path | None, films: Path | None, host: str, port: int, allow_upload: bool) -> None:
    """Serve the web application: choose models and films, see what each model says and where it looked.

    Films are held in memory until they are classified, and kept nowhere.

    \b
    Examples:
      cxr-edge serve
      cxr-edge serve --models build/mine --films ~/films --port 8000
    """
    from cxr_edge.system.extras import need

    need("serve", "web", "jinja2", "starlette", "uvicorn")
    from cxr_edge.web import server
    from cxr_edge.web.models import uploads
    from cxr_edge.web.options import ServeOptions

    kept = uploads.default_folder() if allow_upload else None
    options = ServeOptions(host=host, port=port, models=models, films=films, uploads=kept)
    server.serve(options, click.echo)
