"""The web application on a port of its own, ways to ask it, and fixtures for the tests of it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from PIL import Image

from cxr_edge.bundles import trust
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.phantom.radiograph import render
from cxr_edge.web.options import ServeOptions
from cxr_edge.web.server import listen, make_server
from tests.support import models

GIVEN_UP_S = 90.0


@dataclass(frozen=True)
class Reply:
    """The answer to a request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A running application and a way to ask it."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(
        self,
        path: str,
        *,
        body: Any = None,
        headers: dict[str, str] | None = None,
        method: str | None = None,
        **query: Any,
    ) -> Reply:
        """Send a request; `query` may have lists."""
        url = self.address + path.lstrip("/") + ("?" + urlencode(query, doseq=True) if query else "")
        request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=GIVEN_UP_S) as answer:
                return Reply(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, dict(error.headers), error.read())

    def classify(self, body: bytes, **query: Any) -> Reply:
        return self.ask("api/classify", body=body, method="POST", **query)

    def wait_until_measured(self) -> Any:
        """Return /api/models once every model has figures."""
        deadline = time.monotonic() + GIVEN_UP_S
        while (listed := self.ask("api/models").json)["pending"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return listed


@contextlib.contextmanager
def run_server(**options: Any) -> Iterator[Server]:
    """Run the application in this process on a free port."""
    listener = listen("127.0.0.1", 0)
    server = make_server(ServeOptions(**options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield Server(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def write_twins(folder: Path) -> Bundle:
    """Write a bundle whose "int8" calls films the other way than its float32: it answers how dark a film is."""
    bundle = models.write_bundle(
        folder, {"model_float32.tflite": models.tflite(), "model_int8.tflite": models.tflite(inverted=True)}
    )
    trust.note_made(bundle, bundle.manifest.artifacts)
    return bundle


def encode(grey: int | Image.Image, form: str = "PNG") -> bytes:
    """Return a film of one shade, or a picture, as a file."""
    picture = grey if isinstance(grey, Image.Image) else Image.new("L", (300, 400), grey)
    buffer = io.BytesIO()
    picture.save(buffer, form)
    return buffer.getvalue()


def draw_film() -> bytes:
    """Return a simulated film as PNG."""
    return encode(Image.fromarray(render(7, "covid").pixels))


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bundle of `write_twins`."""
    folder = tmp_path_factory.mktemp("models")
    write_twins(folder / "twins")
    return folder


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of films: a good one, a damaged one, a link to a film outside, and a secret beside it."""
    folder = tmp_path_factory.mktemp("films") / "ward"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "good.png").write_bytes(draw_film())
    (folder / "damaged.jpg").write_bytes(b"\xff\xd8\xff no film")
    (folder.parent / "secret.png").write_bytes(encode(200))
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    return folder


@pytest.fixture(scope="module")
def server(twins: Path, films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The application with the shipped bundle, the twins, the folder of films, and uploads allowed."""
    uploads = tmp_path_factory.mktemp("uploads")
    with run_server(build=uploads / "none", models=twins, films=films, uploads=uploads) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium; skips where it is not installed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("Chromium is not installed; on Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    # Chromium's own sandbox refuses to run as root.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as play:
        launched = play.chromium.launch(executable_path=found, args=flags)
        yield launched
        launched.close()
