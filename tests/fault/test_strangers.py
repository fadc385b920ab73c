"""A model that is not trusted is checked, runs in a sandbox, and is trusted only after it was noted as such."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cxr_edge.archive.scoring import Scorer
from cxr_edge.benchmarks.drift import predictions
from cxr_edge.benchmarks.measure import worker_client
from cxr_edge.bundles import trust
from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.cli.main import main
from cxr_edge.errors import PreflightError
from cxr_edge.export import pipeline
from cxr_edge.models import open_model, read_model
from cxr_edge.phantom.sets import write_folder
from cxr_edge.runtimes import registry
from cxr_edge.runtimes.base import Runtime
from tests.attacks import keras_program
from tests.support import models
from tests.support.trees import change_tflite

pytestmark = pytest.mark.usefixtures("nothing_made_here")

CONTENTS = {"model_float32.tflite": models.tflite(), "model_float32.onnx": models.onnx()}


@pytest.fixture
def strangers(tmp_path: Path) -> Bundle:
    """A bundle that somebody else made, beside a film."""
    Image.new("L", (300, 300), 51).save(tmp_path / "film.png")
    return models.write_bundle(tmp_path / "strangers", CONTENTS)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("name", CONTENTS)
def test_classify_runs_a_strangers_model_in_a_sandbox(strangers: Bundle, sandboxes: list[str], name: str) -> None:
    film = strangers.path.parent / "film.png"
    row = json.loads(
        invoke("classify", film, film, "--model", f"{strangers.path}:{name}", "--json").stdout.split("\n")[0]
    )

    assert row["probability"] == pytest.approx(0.2, abs=1e-3)
    assert sandboxes == [name]


def test_explain_runs_a_strangers_model_in_a_sandbox(strangers: Bundle, sandboxes: list[str]) -> None:
    folder = strangers.path.parent
    result = invoke("explain", folder / "film.png", "--model", strangers.path, "--out", folder / "map.png")

    assert result.exit_code == 0, result.stderr
    assert (folder / "map.png").is_file()
    assert sandboxes == ["model_float32.tflite"]


def test_verify_runs_a_strangers_models_in_sandboxes(strangers: Bundle, sandboxes: list[str]) -> None:
    assert invoke("verify", strangers.path).exit_code == 0
    assert sorted(sandboxes) == sorted(CONTENTS)


def test_verify_trust_makes_models_our_own(strangers: Bundle, sandboxes: list[str]) -> None:
    result = invoke("verify", strangers.path, "--trust")
    sandboxes.clear()
    again = invoke("classify", strangers.path.parent / "film.png", "--model", strangers.path)

    assert "run without the sandbox from now on" in result.stderr
    assert again.exit_code == 0
    assert sandboxes == []


def test_verify_trusts_nothing_that_failed(strangers: Bundle) -> None:
    (strangers.path / "model_float32.onnx").write_bytes(b"changed")
    result = invoke("verify", strangers.path, "--trust")

    assert result.exit_code == 1
    assert not any(trust.is_ours(artifact.sha256) for artifact in strangers.manifest.artifacts.values())


def test_what_is_noted_is_the_file_and_not_its_name(strangers: Bundle, sandboxes: list[str]) -> None:
    trust.note_made(strangers, strangers.manifest.artifacts)
    models.write_bundle(strangers.path, {"model_float32.tflite": models.tflite(outputs=("probabilities",))})
    result = invoke("classify", strangers.path.parent / "film.png", "--model", strangers.path)

    assert result.exit_code == 0
    assert sandboxes == ["model_float32.tflite"]


def test_the_shipped_bundle_runs_without_a_sandbox_wherever_it_lies(tmp_path: Path, sandboxes: list[str]) -> None:
    shipped = Bundle.read(default_bundle_path())
    (tmp_path / "copy").mkdir()
    for path in shipped.path.iterdir():
        (tmp_path / "copy" / path.name).write_bytes(path.read_bytes())
    for bundle in (shipped, Bundle.read(tmp_path / "copy")):
        open_model(bundle, bundle.artifact("int8")).close()

    assert sandboxes == []


def test_a_place_that_keeps_no_notes_is_a_warning(
    strangers: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "film.png"))
    trust.note_made(strangers, strangers.manifest.artifacts)

    assert "warning: " in capsys.readouterr().err
    assert not trust.is_ours(strangers.artifact("float32").sha256)


def test_a_zip_of_a_strangers_bundle_is_classified_with(
    strangers: Bundle, tmp_path: Path, sandboxes: list[str]
) -> None:
    with zipfile.ZipFile(tmp_path / "theirs.zip", "w") as packed:
        for path in strangers.path.iterdir():
            packed.write(path, f"strangers/{path.name}")
    result = invoke("classify", tmp_path / "film.png", "--model", f"{tmp_path / 'theirs.zip'}:model_float32.onnx")

    assert result.exit_code == 0, result.stderr
    assert sandboxes == ["model_float32.onnx"]


def unsound() -> bytes:
    def change(model: Any) -> None:
        model.subgraphs[0].operators[0].inputs[0] = 500

    return change_tflite(models.tflite(), change)


def test_an_unsound_model_is_refused_before_a_sandbox_starts(tmp_path: Path, sandboxes: list[str]) -> None:
    bundle = models.write_bundle(tmp_path / "unsound", {"model_float32.tflite": unsound()})
    with pytest.raises(PreflightError, match="names tensor 500"):
        open_model(bundle, bundle.artifact("float32"))

    assert sandboxes == []


def test_bench_makes_an_unsound_model_a_row_with_its_reason(tmp_path: Path) -> None:
    bundle = models.write_bundle(tmp_path / "mixed", CONTENTS | {"model_int8.tflite": unsound()})
    np.save(tmp_path / "films.npy", np.full((2, 224, 224, 3), 51, np.uint8))
    artifacts = list(bundle.manifest.artifacts.values())
    answers, failures = predictions.predict_all(bundle, artifacts, tmp_path / "films.npy", 2)

    assert set(answers) == set(CONTENTS)
    assert "refused before it was opened" in failures["model_int8.tflite"][0]


def test_the_process_of_a_bench_limits_itself_for_a_strangers_model(strangers: Bundle) -> None:
    request = {"bundle": str(strangers.path), "artifact": "model_float32.tflite", "threads": 1}
    code = (
        "import json, resource, sys; from cxr_edge.benchmarks.measure import worker;"
        "worker._open(json.load(sys.stdin));"
        "print(json.dumps([resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE)]))"
    )
    limited, free = (
        json.loads(subprocess.check_output([sys.executable, "-c", code], input=json.dumps(asked).encode()))
        for asked in (request, request | {"trusted": True})
    )

    assert limited == [0, 2**26]
    assert free[1] != 2**26


def test_a_bench_times_a_strangers_model_in_one_process(strangers: Bundle, tmp_path: Path) -> None:
    np.save(tmp_path / "films.npy", np.full((2, 224, 224, 3), 51, np.uint8))
    request: dict[str, Any] = {"task": "time", "bundle": str(strangers.path), "artifact": "model_float32.onnx"}
    request |= {
        "format": "onnx",
        "threads": 1,
        "films": str(tmp_path / "films.npy"),
        "warmup_runs": 1,
        "runs": 3,
        "time_s": 0.0,
    }

    assert len(worker_client.ask(request, name="model_float32.onnx")["times_ms"]) == 3


def test_an_export_of_a_strangers_classifier_leaves_it_a_strangers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "_list_shipped", set)
    options = pipeline.ExportOptions(formats=("tflite",))
    made = pipeline.export(Bundle.read(default_bundle_path()), options, tmp_path / "out").manifest.artifacts

    assert trust.is_ours(made["model_float32.tflite"].sha256)
    assert not trust.is_ours(made["model.keras"].sha256)


def test_score_runs_a_strangers_model_in_sandboxes(strangers: Bundle, tmp_path: Path, sandboxes: list[str]) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    Image.new("L", (300, 300), 51).save(folder / "image.png")
    result = invoke("score", folder, "--model", strangers.path, "--out", tmp_path / "scores", "--workers", 1)

    assert result.exit_code == 0, result.stderr
    # The one that is tried before anything is written; the workers' are children of their own.
    assert sandboxes == ["model_float32.tflite"]


def test_a_worker_of_score_opens_a_strangers_model_in_a_sandbox(strangers: Bundle, sandboxes: list[str]) -> None:
    model = pickle.loads(pickle.dumps(read_model(strangers, strangers.artifact("float32"))))
    scorer = Scorer(model, strangers.manifest, strangers.path)
    scorer.open()
    scorer.close()

    assert sandboxes == ["model_float32.tflite"]


@pytest.fixture
def hostile(tmp_path: Path) -> Bundle:
    """A stranger's bundle whose files would harm a runtime: a .tflite that reads out of bounds, a .keras with code."""
    return models.write_bundle(
        tmp_path / "hostile",
        {
            "model.keras": keras_program.make_model(),
            "model_float32.tflite": unsound(),
            "model_int8.tflite": unsound(),
        },
    )


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set of simulated radiographs."""
    return write_folder(tmp_path_factory.mktemp("data") / "images", {"train": 8, "val": 8, "test": 8}).parent


# How each command that takes a model is given one; the words in capitals are filled in.
WITH_A_MODEL = {
    "classify": "IMAGE --model MODEL",
    "explain": "IMAGE --model MODEL --out OUT.png",
    "score": "FOLDER --model MODEL --out OUT",
    "verify": "MODEL",
    "bench": "MODEL --data DATA --out OUT",
    "export": "MODEL --data DATA --out OUT",
    "train": "DATA --teacher SHIPPED --teacher MODEL --weights none --epochs 1 --out OUT",
    "audit": "DATA --model MODEL --out OUT",
    "calibrate": "MODEL:float32 --data DATA --out OUT",
    "study gradcam": "MODEL --data DATA --out OUT.png",
    "serve": "",
}
WITHOUT_A_MODEL = {
    "phantom",
    "devices",
    "report compare",
    "study augmentation",
    "study backbones",
    "study balance",
    "study unfreeze",
}


def list_commands(command: click.Command, name: str = "") -> Iterator[str]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for key in command.list_commands(context):
            inner = command.get_command(context, key)
            assert inner is not None
            yield from list_commands(inner, f"{name} {key}".strip())
    else:
        yield name


def test_every_command_is_known_to_take_a_model_or_not() -> None:
    assert set(list_commands(main)) == WITH_A_MODEL.keys() | WITHOUT_A_MODEL


@pytest.fixture
def opened(hostile: Bundle, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hostile model files that a runtime was given in this process."""
    reached: list[bytes] = []
    files = {hostile.artifact_bytes(artifact) for artifact in hostile.manifest.artifacts.values()}
    open_content = registry.open_content

    def record(content: bytes, format: str, *, threads: int = 1, name: str = "model") -> Runtime:
        if content in files:
            reached.append(content)
            raise AssertionError(f"{name} reached a runtime")
        return open_content(content, format, threads=threads, name=name)

    monkeypatch.setattr(registry, "open_content", record)
    return reached


@pytest.mark.parametrize("command", sorted(WITH_A_MODEL.keys() - {"serve"}))
def test_a_command_refuses_a_hostile_model_before_a_runtime_sees_it(
    command: str, hostile: Bundle, images: Path, tmp_path: Path, opened: list[bytes], sandboxes: list[str]
) -> None:
    Image.new("L", (300, 300), 51).save(tmp_path / "image.png")
    words: dict[str, str | Path] = {
        "MODEL": hostile.path,
        "SHIPPED": default_bundle_path(),
        "DATA": images,
        "IMAGE": tmp_path / "image.png",
        "FOLDER": images,
        "OUT": tmp_path / "out",
        "OUT.png": tmp_path / "out.png",
    }
    words["MODEL:float32"] = f"{hostile.path}:float32"
    arguments = [words.get(word, word) for word in (*command.split(), *WITH_A_MODEL[command].split())]
    result = invoke(*arguments)

    assert result.exit_code in (1, 4), result.output
    assert "refused before it was opened" in result.output
    assert opened == []
    assert sandboxes == []


def test_the_web_application_refuses_a_hostile_model_before_a_runtime_sees_it(
    hostile: Bundle, tmp_path: Path, opened: list[bytes], sandboxes: list[str]
) -> None:
    pytest.importorskip("starlette")
    from tests.support.web_server import draw_film, run_server

    with run_server(build=tmp_path / "none", models=hostile.path.parent) as server:
        offered = server.ask("api/models").json["bundles"]
        (key,) = [entry["models"][0]["key"] for entry in offered if entry["origin"] != "shipped"]
        answer = server.classify(draw_film(), model=key)

    assert "refused before it was opened" in answer.body.decode()
    assert opened == []
    assert sandboxes == []
