"""The application over HTTP: it answers what classify answers, holds its limits, and gives nothing away."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.cli.main import main
from cxr_edge.inference import classify
from cxr_edge.models import open_model
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.web.options import Limits
from tests.support.web_server import Reply, Server, draw_film, encode, run_server

SHIPPED = "default/model_int8.tflite"
FLOAT, INT8 = "twins/model_float32.tflite", "twins/model_int8.tflite"


@pytest.fixture(scope="module")
def small(twins: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An application that takes one film of 100 kB at a time."""
    limits = Limits(film_bytes=100_000, held_bytes=150_000, requests=1, body_timeout_s=0.5)
    with run_server(build=tmp_path_factory.mktemp("none"), models=twins, limits=limits) as running:
        yield running


def send(server: Server, method: str, path: str, chunks: Iterator[bytes] | None = None) -> Reply:
    """Send a request as it is: no path is tidied, and a body of chunks does not state its length."""
    connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, body=chunks, encode_chunked=True)
        answer = connection.getresponse()
        return Reply(answer.status, dict(answer.getheaders()), answer.read())


def post_chunks(server: Server, chunks: Iterator[bytes]) -> Reply:
    return send(server, "POST", f"/api/classify?model={FLOAT}", chunks)


def test_serve_answers_within_three_seconds_without_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys, threading, time, urllib.request, click\n"
        "from cxr_edge.cli.main import main\n"
        "def look(address):\n"
        "    def ask():\n"
        "        page = urllib.request.urlopen(address).read()\n"
        "        took_s = time.process_time()\n"
        "        heavy = {'tensorflow', 'keras', 'onnxruntime', 'matplotlib'} & set(sys.modules)\n"
        "        print(b'For research only' in page, took_s, sorted(heavy), flush=True)\n"
        "        import os; os._exit(0)\n"
        "    threading.Thread(target=ask).start()\n"
        "click.echo = look\n"
        "main(['serve', '--port', '0'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    noted, took_s, heavy = done.stdout.split(maxsplit=2)

    assert (noted, heavy) == ("True", "[]\n"), done.stderr
    # Of processor time, start of Python included: a busy machine takes no more of it.
    assert float(took_s) < 3


def test_classify_answers_what_the_command_answers(server: Server) -> None:
    film = draw_film()
    bundle = Bundle.read(default_bundle_path())
    runtime = open_model(bundle, bundle.artifact("int8"))
    wanted = classify.predict(runtime, bundle.manifest, Path("film"), film)

    (row,) = server.classify(film, model=SHIPPED, name="film.png").json["results"]
    assert wanted.heatmap is not None
    assert row["label"] == wanted.label
    assert row["probability"] == pytest.approx(wanted.probability, abs=1e-6)
    assert row["typicality"] == pytest.approx(wanted.typicality, abs=1e-3)
    assert row["heatmap"] == [pytest.approx(line, abs=1e-4) for line in wanted.heatmap.tolist()]


def test_float_against_int8_is_called_out(server: Server) -> None:
    said = server.classify(encode(200), model=[FLOAT, INT8]).json

    assert [row["label"] for row in said["results"]] == ["covid", "noncovid"]
    assert said["agreement"]["kind"] == "differ"
    (clash,) = said["agreement"]["clashes"]
    assert clash["change"] == pytest.approx(1 - 2 * 200 / 255, abs=1e-3)


def test_csv_has_a_record_for_each_model_and_no_formula(server: Server) -> None:
    reply = server.classify(encode(200), model=[FLOAT, INT8], name="=1+1.png", format="csv")
    lines = reply.body.decode().splitlines()

    assert reply.headers["content-type"].startswith("text/csv")
    assert [line.split(",")[:3] for line in lines[1:]] == [
        ["'=1+1.png", FLOAT, "covid"],
        ["'=1+1.png", INT8, "noncovid"],
    ]


def test_an_offered_film_is_classified_by_its_key(server: Server) -> None:
    listed = server.ask("api/films").json
    key = next(film["key"] for film in listed["samples"] if film["kind"] == "covid")

    said = server.ask("api/classify", method="POST", film=key, model=SHIPPED).json
    assert (said["film"]["truth"], said["results"][0]["label"]) == ("covid", "covid")
    assert server.ask(f"films/{key}").body.startswith(b"\xff\xd8")


def test_every_answer_with_a_result_says_that_it_is_for_research_only(server: Server) -> None:
    film = encode(99)
    answers = [
        server.classify(film, model=FLOAT),
        server.classify(film, model=FLOAT, format="csv"),
        server.ask("parts/result", body=film, method="POST", model=FLOAT),
        server.ask("api/models"),
        server.ask("parts/models"),
        server.ask(""),
    ]
    assert [RESEARCH_ONLY in answer.body.decode() for answer in answers] == [True] * len(answers)


def test_every_model_is_measured_and_judged_against_its_float_twin(server: Server) -> None:
    listed = server.wait_until_measured()
    (twins,) = [bundle for bundle in listed["bundles"] if bundle["key"] == "twins"]
    first, second = (model["figures"][0] for model in twins["models"])

    assert first["verdict"] is None
    assert (second["verdict"], second["reference"]) == ("not enough images", "model_float32.tflite")
    assert second["auc"][0] == pytest.approx(1 - first["auc"][0], abs=1e-3)
    assert len(first["scores"]) == first["films"] == 48


@pytest.mark.parametrize(
    ("status", "query"),
    [
        (400, {}),
        (404, {"model": "twins/../../etc/passwd"}),
        (404, {"model": FLOAT, "film": "../secret.png"}),
        (400, {"model": FLOAT, "format": "xml"}),
    ],
)
def test_a_request_that_names_nothing_known_is_refused(server: Server, status: int, query: dict[str, str]) -> None:
    reply = server.classify(encode(9), **query)
    assert reply.status == status
    assert reply.json["error"]


def test_a_damaged_film_is_refused_with_its_reason(server: Server) -> None:
    reply = server.classify(b"\xff\xd8\xff no film", model=FLOAT, name="/ward/scan.jpg")
    assert (reply.status, reply.json["error"][:9]) == (422, "scan.jpg:")


@pytest.mark.parametrize(
    "path",
    ["static/../app.py", "static/%2e%2e/app.py", "static//etc/passwd", "films/..%2fsecret.png", "films/link.png"],
)
def test_no_file_outside_the_served_ones_can_be_read(server: Server, path: str) -> None:
    assert send(server, "GET", f"/{path}").status == 404


def test_a_link_that_leads_out_of_the_folder_of_films_is_not_offered(server: Server) -> None:
    time.sleep(1.1)
    listed = server.ask("api/films").json["folder"]
    assert sorted(film["name"] for film in listed) == ["damaged.jpg", "deep/good.png"]


def test_a_film_that_became_a_link_out_of_the_folder_is_refused(server: Server, films: Path) -> None:
    film = films / "changed.png"
    film.write_bytes(encode(50))
    # The folder is looked through once a second at most.
    time.sleep(1.1)
    (key,) = [item["key"] for item in server.ask("api/films").json["folder"] if item["name"] == "changed.png"]
    film.unlink()
    film.symlink_to(films.parent / "secret.png")
    try:
        reply = server.ask("api/classify", method="POST", film=key, model=FLOAT)
    finally:
        film.unlink()
    assert (reply.status, "leads out" in reply.json["error"]) == (422, True)


def test_a_folder_of_films_that_is_emptied_is_said_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxr_edge.web.samples._LIST_EVERY_S", 0.0)
    film = tmp_path / "only.png"
    film.write_bytes(encode(9))
    with run_server(build=tmp_path, films=tmp_path) as running:
        assert b"only.png" in running.ask("").body
        film.unlink()
        page = running.ask("")
    assert (page.status, b"has no image files" in page.body) == (200, True)


def test_a_film_is_never_written_to_the_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        # Bit 1 and 2 are O_WRONLY and O_RDWR.
        if active and event == "open" and isinstance(arguments[2], int) and arguments[2] & 3:
            written.append(str(arguments[0]))

    active = True
    sys.addaudithook(watch)
    try:
        # Large enough for any library that keeps small bodies in memory and spools others.
        film = encode(120) + bytes(3_000_000)
        assert server.classify(film, model=SHIPPED).status == 200
        assert server.ask("parts/result", body=film, method="POST", model=SHIPPED).status == 200
    finally:
        active = False
    assert [name for name in written if name != os.devnull] == []


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::1"])
def test_a_foreign_host_name_is_refused(server: Server, host: str) -> None:
    assert server.ask("api/models", headers={"Host": host}).status == 403


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_sites_page_may_not_post(server: Server, headers: dict[str, str]) -> None:
    reply = server.ask("api/classify", body=encode(9), headers=headers, method="POST", model=FLOAT)
    assert reply.status == 403


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        (403, {"path": "api/classify", "headers": {"Origin": "http://evil.example"}}),
        (403, {"path": "api/classify", "headers": {"Host": "evil.example"}}),
        (404, {"path": "nowhere"}),
        (405, {"path": "api/films"}),
        (404, {"path": "api/classify", "model": "none"}),
        (400, {"path": "api/classify", "format": "xml"}),
        (413, {"path": "parts/result", "model": SHIPPED}),
    ],
)
def test_a_refusal_reaches_a_client_that_is_still_sending(server: Server, status: int, asked: dict[str, Any]) -> None:
    # More than a socket takes at once: unread, they would reset the connection before the answer is read.
    body = encode(9) + bytes(70_000_000 if status == 413 else 3_000_000)
    assert [server.ask(body=body, method="POST", **asked).status for _ in range(4)] == [status] * 4


def test_a_client_that_waits_to_be_asked_is_refused_at_once(server: Server) -> None:
    address = urlsplit(server.address)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = f"POST /nowhere HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(12) == b"HTTP/1.1 404"


def test_every_answer_has_the_headers_that_keep_a_browser_in(server: Server) -> None:
    for path in ("", "static/app.css", "api/models", "nowhere"):
        headers = server.ask(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert headers["cache-control"] == ("no-cache" if "static" in path else "no-store")


def test_a_body_is_refused_by_the_bytes_that_came(small: Server) -> None:
    answer = post_chunks(small, (bytes(10_000) for _ in range(20)))
    assert (answer.status, b"larger than the limit" in answer.body) == (413, True)


def test_a_body_is_refused_by_the_length_that_it_states(small: Server) -> None:
    assert small.classify(bytes(200_000), model=FLOAT).status == 413


def test_a_full_house_is_said_with_503_and_passes(small: Server) -> None:
    go = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b"\x89PNG"
        go.wait(5)

    waiting = threading.Thread(target=lambda: post_chunks(small, slowly()))
    waiting.start()
    while small.ask("health").json["requests"] < 1:
        time.sleep(0.01)
    full = small.classify(encode(9), model=FLOAT)
    go.set()
    waiting.join()

    assert (full.status, full.headers["retry-after"]) == (503, "2")
    assert small.classify(encode(9), model=FLOAT).status == 200


def test_a_body_that_stops_coming_is_given_up(small: Server) -> None:
    def stop() -> Iterator[bytes]:
        yield b"\x89PNG"
        time.sleep(1.0)

    assert post_chunks(small, stop()).status == 408
    assert small.ask("health").json | {"version": ""} == {
        "status": "ok",
        "version": "",
        "requests": 0,
        "held_bytes": 0,
    }


def test_without_the_extra_the_line_to_type_is_said() -> None:
    code = "import sys; sys.modules['starlette'] = None; from cxr_edge.cli.main import main; main(['serve'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, "pip install 'cxr-edge[web]'" in done.stderr) == (1, True)


def test_an_address_that_others_reach_is_warned_of(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cxr_edge", "serve", "--port", "0", "--host", "0.0.0.0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        address = running.stdout.readline()
        running.terminate()
        _, said = running.communicate(timeout=20)
    assert address.startswith("http://0.0.0.0:")
    assert said.startswith("cxr-edge: warning: 0.0.0.0 can be reached from other machines")
    assert said.count("\n") == 1


def test_a_film_that_all_models_call_wrong_is_said_to_be_of_its_class(server: Server) -> None:
    listed = server.ask("api/films").json["samples"]
    parts = [server.ask("parts/result", method="POST", film=film["key"], model=FLOAT).body.decode() for film in listed]
    for film, part in zip(listed, parts, strict=True):
        (verdict,) = re.findall(r"one model: (\w+)([^<]*)<", part)
        assert verdict[1] == ("" if verdict[0] == film["truth"] else f", yet it is {film['truth']}")
    assert any("yet it is" in part for part in parts)


def test_a_port_in_use_is_one_line(server: Server) -> None:
    port = str(urlsplit(server.address).port)
    result = CliRunner().invoke(main, ["serve", "--port", port])
    assert (result.exit_code, "choose another --port" in result.stderr) == (2, True)


def test_a_folder_without_bundles_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["serve", "--port", "0", "--models", str(tmp_path)])
    assert (result.exit_code, "holds no bundle" in result.stderr) == (2, True)
