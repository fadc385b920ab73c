"""The command line: its help, what goes to which stream, and errors of one line with their exit codes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cxr_edge.bundles.bundle import DEFAULT, Bundle, default_bundle_path, open_bundle
from cxr_edge.cli.bench import name_report
from cxr_edge.cli.main import main
from cxr_edge.errors import BudgetMissedError, DataError
from cxr_edge.system.about import RESEARCH_ONLY, __version__
from tests.support import models

COMMANDS = main.list_commands(click.Context(main))
HEAVY = ("tensorflow", "keras", "onnx", "onnxruntime", "matplotlib", "pydicom", "ai_edge_litert", "scipy", "PIL.Image")
# Of a film whose pixels are all 64, and of one whose are all 192.
DARK, BRIGHT = 64 / 255, 192 / 255


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    for name, grey in (("dark", 64), ("bright", 192)):
        Image.new("L", (300, 400), grey).save(folder / f"{name}.png")
    return folder


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def test_importing_the_command_line_loads_no_heavy_library() -> None:
    done = python("-c", f"import sys, cxr_edge.cli.main; print([name for name in {HEAVY} if name in sys.modules])")

    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("module", ["cxr_edge", "cxr_edge.cli.main"])
def test_the_package_runs_as_a_module(module: str) -> None:
    assert python("-m", module, "--version").stdout == f"cxr-edge, version {__version__}\n"


def test_help_lists_every_command() -> None:
    text = invoke("--help").stdout

    assert all(f"\n  {command} " in text for command in COMMANDS)


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example_of_it(command: str, flag: str) -> None:
    result = invoke(command, flag)

    assert result.exit_code == 0
    assert f"cxr-edge {command} " in result.stdout.partition("Example")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str) -> None:
    found = main.get_command(click.Context(main), command)
    assert found is not None
    options = [parameter for parameter in found.params if parameter.param_type_name == "option"]

    assert [option.name for option in options if not getattr(option, "help", None)] == []


def test_classify_prints_a_row_a_film_and_the_research_note(films: Path, brightness_bundle: Bundle) -> None:
    result = invoke("classify", films, "--model", brightness_bundle.path)
    head, bright, dark, note = result.stdout.splitlines()

    assert (result.exit_code, result.stderr) == (0, "")
    assert head.split() == ["P(covid)", "threshold", "label", "decode", "run", "film"]
    assert bright.split()[:3] == [f"{BRIGHT:.3f}", "0.500", "covid"]
    assert dark.split()[:3] == [f"{DARK:.3f}", "0.500", "noncovid"]
    assert note == RESEARCH_ONLY


@pytest.mark.parametrize("artifact", ["", ":float32", ":model_float32.onnx"])
def test_classify_json_is_a_line_of_json_a_film(films: Path, brightness_bundle: Bundle, artifact: str) -> None:
    result = invoke("classify", films / "dark.png", "--model", f"{brightness_bundle.path}{artifact}", "--json")
    (row,) = map(json.loads, result.stdout.splitlines())

    assert (row["label"], row["probability"]) == ("noncovid", pytest.approx(DARK, abs=1e-5))
    assert (row["typicality"], row["untypical"]) == (pytest.approx(64, abs=1e-3), False)
    assert row["research_only"] == RESEARCH_ONLY


def test_classify_reads_standard_input_and_draws_its_overlay(
    films: Path, brightness_bundle: Bundle, tmp_path: Path
) -> None:
    line = ["classify", "-", "--model", str(brightness_bundle.path), "--json", "--heatmap", str(tmp_path / "maps")]
    result = CliRunner().invoke(main, line, input=(films / "dark.png").read_bytes())

    assert (json.loads(result.stdout)["path"], json.loads(result.stdout)["label"]) == ("-", "noncovid")
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["stdin_heatmap.png"]


def test_classify_takes_a_quoted_pattern(films: Path, brightness_bundle: Bundle) -> None:
    result = invoke("classify", films / "d*.png", "--model", brightness_bundle.path, "--json")

    assert [Path(json.loads(line)["path"]).name for line in result.stdout.splitlines()] == ["dark.png"]


def test_classify_refuses_a_journal_without_a_watch(films: Path) -> None:
    result = invoke("classify", films, "--journal", films / "journal")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "add --watch" in result.stderr


def test_classify_csv_has_a_header_and_a_record_a_film(films: Path, brightness_bundle: Bundle) -> None:
    result = invoke("classify", films, "--model", brightness_bundle.path, "--csv")
    rows = list(csv.DictReader(result.stdout.splitlines()))

    assert [(Path(row["path"]).name, row["label"]) for row in rows] == [
        ("bright.png", "covid"),
        ("dark.png", "noncovid"),
    ]


def test_classify_heatmap_writes_an_overlay_a_film(films: Path, brightness_bundle: Bundle, tmp_path: Path) -> None:
    result = invoke("classify", films, "--model", brightness_bundle.path, "--heatmap", tmp_path / "maps")

    assert result.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["bright_heatmap.png", "dark_heatmap.png"]


def test_classify_goes_on_after_a_bad_film_and_ends_with_1(films: Path, brightness_bundle: Bundle) -> None:
    (films / "c.png").write_text("no film")
    result = invoke("classify", films, "--model", brightness_bundle.path, "--json")
    errors = [json.loads(line)["error"] for line in result.stdout.splitlines()]

    assert result.exit_code == 1
    assert [error is None for error in errors] == [True, False, True]


def test_explain_writes_the_picture_and_prints_where(films: Path, brightness_bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    result = invoke("explain", films / "dark.png", "--model", brightness_bundle.path, "--out", out, "--side-by-side")

    assert (result.exit_code, result.stdout) == (0, f"{out}\n")
    with Image.open(out) as picture:
        assert picture.width > 2 * 300


@pytest.mark.parametrize("command", ["verify", "bench"])
def test_a_command_without_a_bundle_takes_the_shipped_one(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[Path] = []

    def note(bundle: Bundle, *_: object, **__: object) -> None:
        opened.append(bundle.path)
        raise DataError("enough")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cxr_edge.inference.verify.verify", note)
    monkeypatch.setattr("cxr_edge.benchmarks.run.run", note)
    assert invoke(command).stderr == "cxr-edge: enough\n"
    assert opened == [default_bundle_path()]


def test_verify_passes_in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("verify")
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "model_int8.tflite" in result.stdout


def test_bench_of_the_shipped_bundle_writes_below_the_working_folder() -> None:
    assert name_report(open_bundle(DEFAULT)) == Path("build/default-bench")


def test_bench_of_another_bundle_writes_beside_it(brightness_bundle: Bundle) -> None:
    assert name_report(brightness_bundle) == brightness_bundle.path.with_name("brightness-bench")


def test_export_says_what_is_lost_where_the_budget_is_missed(
    brightness_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def miss(*_: object) -> Bundle:
        raise BudgetMissedError("the budget is not met")

    monkeypatch.setattr("cxr_edge.export.pipeline.export", miss)
    result = invoke("export", brightness_bundle.path, "--out", brightness_bundle.path)

    assert (result.exit_code, result.stderr) == (3, "cxr-edge: the budget is not met\n")
    assert "  model_float32.tflite " in result.stdout


def test_phantom_writes_as_many_images_as_asked_for(tmp_path: Path) -> None:
    result = invoke("phantom", "--out", tmp_path / "samples", "--count", "4")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'samples' / 'manifest.csv'}\n")
    assert len(list((tmp_path / "samples" / "test").rglob("*.png"))) == 4


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (
            ("train", "phantom", "--out", "new", "--preset", "best"),
            "--preset best: unknown; choose one of paper, default, single",
        ),
        (("train", "phantom", "--out", "new", "--balance", "no"), "--balance no: unknown; choose one of augment"),
        (("train", "phantom", "--out", "new", "--unfreeze", "2"), "--unfreeze 2.0: must lie between 0"),
        (("export", "brightness", "--format", "pb"), "--format pb: unknown; choose from tflite, onnx"),
        (("export", "brightness", "--quantize", "int4"), "--quantize int4: unknown; choose from float32"),
        (
            ("export", "brightness", "--format", "onnx", "--quantize", "dynamic"),
            "--quantize dynamic: exists for tflite; add --format tflite",
        ),
        (("export", "brightness", "--out", "film.png"), "--out film.png: is a file; give a folder"),
        (("export", "brightness", "--quantize", "none"), "--quantize none: unknown; choose from float32"),
        (
            ("explain", "film.png", "--model", "brightness", "--out", "map.gif"),
            "--out map.gif: must end in .png, .jpg, .jpeg, .webp; type --out map.png",
        ),
        (("explain", "film.png", "--model", "brightness", "--out", "."), "--out .: must end in .png"),
        (("bench", "brightness", "--device", "abacus"), "device 'abacus' is not known; choose from: cpu"),
        (("explain", "film.png", "--model", "brightness", "--out", "film.png"), "film.png: is the film itself"),
    ],
)
def test_options_that_cannot_be_used_end_with_2_and_one_line(
    arguments: tuple[str, ...], fact: str, brightness_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (300, 300)).save("film.png")
    before = sorted(tmp_path.rglob("*"))
    result = invoke(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"cxr-edge: {fact}")
    assert result.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments",
    [("diagnose",), ("classify",), ("train", "phantom"), ("classify", "a.png", "--threads", "0"), ("bench", "--no")],
)
def test_what_click_refuses_ends_with_2_and_says_how_to_get_help(arguments: tuple[str, ...]) -> None:
    result = invoke(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "--help" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (("classify", "film.png", "--model", "none"), "none: not a bundle folder"),
        (("classify", "film.png", "--model", "n" * 300), "n: not a bundle folder"),
        (
            ("classify", "film.png", "--model", "brightness:int4"),
            "brightness: has no artifact 'int4' but model_float32",
        ),
        (("classify", "film.png", "--model", "."), ".: has no manifest.json"),
        (("classify", "none.png", "--model", "brightness"), "none.png: does not exist"),
        (("classify", "brightness", "--model", "brightness"), "brightness: has no image files"),
        (("classify", "film.png", "--model", "brightness", "--heatmap", "film.png"), "film.png: cannot be written"),
        (("explain", "none.png", "--model", "brightness", "--out", "map.png"), "none.png: does not exist"),
        (("bench", "none"), "none: not a bundle folder"),
        (("bench", "brightness", "--out", "film.png/report"), "film.png/report: cannot be written"),
        (("export", "none"), "none: not a bundle folder"),
        (("export", "brightness"), "brightness: has no artifact 'model.keras'"),
        (("train", "none", "--out", "new"), "none: "),
    ],
)
def test_what_cannot_be_done_ends_with_1_and_one_line(
    arguments: tuple[str, ...], fact: str, brightness_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (300, 300)).save("film.png")
    before = sorted(tmp_path.rglob("*"))
    result = invoke(*arguments)

    assert (result.exit_code, result.stdout) == (1, "")
    assert fact in result.stderr
    assert result.stderr.startswith("cxr-edge: ")
    assert result.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_text_file_that_is_listed_as_an_artifact_ends_with_4(films: Path, tmp_path: Path) -> None:
    bundle = models.write_bundle(tmp_path / "notes", {"model_int8.tflite": b"these are notes, not a model"})
    result = invoke("classify", films / "dark.png", "--model", bundle.path)

    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr.startswith("cxr-edge: model_int8.tflite: refused before it was opened")
    assert result.stderr.count("\n") == 1


def test_an_error_of_a_name_with_line_ends_and_terminal_codes_is_one_plain_line(brightness_bundle: Bundle) -> None:
    result = invoke("classify", "a\nb\x1b[31m.png", "--model", brightness_bundle.path)

    assert result.stderr == "cxr-edge: a\\nb\\x1b[31m.png: does not exist or cannot be reached; check the path\n"


def test_a_folder_whose_name_has_a_colon_is_a_bundle(films: Path, brightness_bundle: Bundle, tmp_path: Path) -> None:
    folder = brightness_bundle.path.rename(tmp_path / "bright:ness")

    assert invoke("classify", films / "dark.png", "--model", folder).exit_code == 0
    assert invoke("classify", films / "dark.png", "--model", f"{folder}:float32").exit_code == 0
