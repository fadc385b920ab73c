"""Uploaded models: checked, tried in a sandbox, listed with figures or refused with the reason, kept and removed."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.preflight import check
from cxr_edge.preflight.facts import ArtifactFacts
from cxr_edge.preflight.tflite import structure
from cxr_edge.system.files import sha256_bytes
from scripts.load_web import slow_onnx
from tests.support import models
from tests.support.web_server import Reply, Server, encode, run_server

pytestmark = pytest.mark.usefixtures("nothing_made_here")

FORM = {"labels": "covid,noncovid", "positive": "covid", "threshold": "0.5"}


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    return {"build": tmp_path / "none", "uploads": tmp_path / "uploads"}


def upload(server: Server, content: bytes, name: str, **form: Any) -> Reply:
    return server.ask("api/models", body=content, method="POST", name=name, **form)


def zip_bundle(folder: Path, **more: bytes) -> bytes:
    """A .zip of a hand-made bundle, with `more` files that its manifest lists as well."""
    contents = {"model_float32.tflite": models.tflite(), "model_int8.tflite": models.tflite(inverted=True)}
    bundle = models.write_bundle(folder, contents | {f"model.{suffix}": data for suffix, data in more.items()})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in bundle.path.iterdir():
            archive.write(path, f"mine/{path.name}")
    return buffer.getvalue()


def test_a_lone_model_is_listed_with_what_was_measured_and_runs_in_a_sandbox(
    options: dict[str, Any], sandboxes: list[str]
) -> None:
    with run_server(**options) as server:
        reply = upload(server, models.tflite(), "mine.tflite", **FORM)
        assert (reply.status, reply.json["key"]) == (201, "mine")
        (entry,) = [item for item in server.ask("api/models").json["bundles"] if item["origin"] == "uploaded"]
        (row,) = server.classify(encode(51), model=reply.json["models"]).json["results"]

    (model,) = entry["models"]
    assert model["figures"][0]["films"] == 48
    assert model["sandboxed"] is True
    assert row["probability"] == pytest.approx(0.2, abs=1e-3)
    # Once to try it, once to classify with it.
    assert sandboxes == ["model_uploaded.tflite"] * 2


@pytest.mark.parametrize("kind", ["file", "bundle"])
def test_each_file_is_checked_once_from_its_upload_to_its_answer(
    kind: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[int] = []

    def read(content: bytes) -> ArtifactFacts:
        checked.append(len(content))
        return structure.check(content)

    monkeypatch.setitem(check._CHECKS, "tflite", read)
    monkeypatch.setattr(check, "_passed", OrderedDict())
    with run_server(**options) as server:
        if kind == "file":
            reply = upload(server, models.tflite(), "mine.tflite", **FORM)
        else:
            reply = upload(server, zip_bundle(tmp_path), "mine.zip")
        answers = server.classify(encode(51), model=reply.json["models"]).json["results"]

    assert [answer["error"] for answer in answers] == [None] * len(answers)
    assert len(checked) == len(answers) == (1 if kind == "file" else 2)


def test_a_bundle_keeps_its_artifacts_and_nothing_that_is_a_program(options: dict[str, Any], tmp_path: Path) -> None:
    with run_server(**options) as server:
        reply = upload(server, zip_bundle(tmp_path / "brought", keras=b"PK a program"), "twins.zip")

    assert reply.status == 201, reply.body
    kept = sorted(path.name for path in (options["uploads"] / "twins").iterdir())
    assert kept == ["manifest.json", "measured.json", "model_float32.tflite", "model_int8.tflite"]
    assert sorted(Bundle.read(options["uploads"] / "twins").manifest.artifacts) == kept[2:]


def test_uploads_survive_a_restart_until_they_are_removed(options: dict[str, Any]) -> None:
    def list_uploads(server: Server) -> list[dict[str, Any]]:
        return [item for item in server.ask("api/models").json["bundles"] if item["origin"] == "uploaded"]

    with run_server(**options) as server:
        upload(server, models.onnx(), "mine.onnx", **FORM)
        before = list_uploads(server)
    with run_server(**options) as server:
        assert list_uploads(server) == before
        assert server.ask("api/models/mine", method="DELETE").status == 204
        assert list_uploads(server) == []
        assert server.classify(encode(9), model="mine/model_uploaded.onnx").status == 404
    assert list(options["uploads"].iterdir()) == []


def test_a_bundle_that_comes_later_does_not_hide_an_upload_of_its_name(options: dict[str, Any], tmp_path: Path) -> None:
    with run_server(**options) as server:
        upload(server, models.tflite(), "mine.tflite", **FORM)
    models.write_bundle(tmp_path / "bundles" / "mine", {"model_float32.tflite": models.tflite()})
    with run_server(**options, models=tmp_path / "bundles") as server:
        listed = server.ask("api/models").json["bundles"]
    assert [(item["key"], item["origin"]) for item in listed] == [
        ("default", "shipped"),
        ("mine-2", "found"),
        ("mine", "uploaded"),
    ]


REFUSED = {
    "a Keras file": (b"PK\x03\x04", "mine.keras", FORM, "programs as much as models"),
    "a pickle": (b"\x80\x04.", "mine.pkl", FORM, "programs as much as models"),
    "no model": (b"TFL3 no model", "mine.tflite", FORM, "refused before it was opened"),
    "another input": (
        models.tflite(shape=(1, 96, 96, 3), outputs=("probabilities",)),
        "mine.tflite",
        FORM,
        "input contract",
    ),
    "labels of another number": (models.tflite(), "mine.tflite", FORM | {"labels": "covid,b,c"}, "3 labels"),
    "no labels": (models.tflite(), "mine.tflite", FORM | {"labels": ""}, "labels:"),
    "a positive label that is none": (models.tflite(), "mine.tflite", FORM | {"positive": "flu"}, "positive:"),
    "a threshold that is none": (models.tflite(), "mine.tflite", FORM | {"threshold": "nan"}, "threshold:"),
    "no .zip": (b"PK\x03\x04 damaged", "mine.zip", {}, "no sound .zip"),
}


def test_what_does_not_pass_is_refused_with_its_reason_and_not_kept(options: dict[str, Any]) -> None:
    with run_server(**options) as server:
        replies = {case: upload(server, content, name, **form) for case, (content, name, form, _) in REFUSED.items()}

    assert {case: reply.status for case, reply in replies.items()} == dict.fromkeys(REFUSED, 422)
    reasons = {case: reply.json["error"] for case, reply in replies.items()}
    assert [case for case, (_, _, _, reason) in REFUSED.items() if reason not in reasons[case]] == [], reasons
    assert list(options["uploads"].iterdir()) == []


def test_an_upload_whose_manifest_was_changed_on_the_disk_is_left_out(options: dict[str, Any]) -> None:
    with run_server(**options) as server:
        upload(server, models.tflite(), "mine.tflite", **FORM)
    path = options["uploads"] / "mine" / "manifest.json"
    value = json.loads(path.read_text())
    value["artifacts"]["../../secret.tflite"] = value["artifacts"].pop("model_uploaded.tflite")
    path.write_text(json.dumps(value))
    with run_server(**options) as server:
        assert [item["origin"] for item in server.ask("api/models").json["bundles"]] == ["shipped"]


def test_without_the_option_models_are_neither_taken_nor_listed(tmp_path: Path) -> None:
    with run_server(build=tmp_path) as server:
        assert upload(server, models.tflite(), "mine.tflite", **FORM).status == 403
        assert b"Add a model" not in server.ask("").body


@pytest.mark.slow
def test_a_model_that_never_ends_is_refused_and_holds_up_nobody_else(options: dict[str, Any]) -> None:
    content = slow_onnx()
    replies: list[Reply] = []
    with run_server(**options) as server:
        hostile = threading.Thread(target=lambda: replies.append(upload(server, content, "slow.onnx", **FORM)))
        hostile.start()
        waits_ms = []
        while hostile.is_alive():
            start_s = time.perf_counter()
            assert server.ask("health").status == 200
            waits_ms.append((time.perf_counter() - start_s) * 1e3)
            time.sleep(0.02)
        assert server.classify(encode(9), model="default/model_int8.tflite").status == 200

    assert (replies[0].status, "do not use it" in replies[0].json["error"]) == (422, True), replies[0].body
    assert sorted(waits_ms)[int(len(waits_ms) * 0.99)] < 1000
    assert sha256_bytes(content)[:8] not in str(list(options["uploads"].iterdir()))


def test_a_server_that_is_stopped_does_not_wait_for_a_strangers_model(
    options: dict[str, Any], sandboxes: list[str]
) -> None:
    replies: list[Reply] = []
    content = slow_onnx()
    with run_server(**options) as server:
        hostile = threading.Thread(target=lambda: replies.append(upload(server, content, "slow.onnx", **FORM)))
        hostile.start()
        while not sandboxes:
            assert hostile.is_alive()
            time.sleep(0.02)
    at_work = [thread for thread in threading.enumerate() if thread.name.startswith("sandbox")]
    hostile.join()
    # Who waits for the model gets its verdict, a 422, and only once the sandbox's limits have ended its job.
    assert replies[0].status == 503
    assert at_work != []
