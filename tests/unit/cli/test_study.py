"""The commands audit, calibrate and study: what they print, what they leave, how they refuse. No TensorFlow."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.cli.main import main
from cxr_edge.phantom.sets import write_folder
from cxr_edge.system.about import RESEARCH_ONLY


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    write_folder(folder, {"train": 40, "val": 20, "test": 20}, size_px=128)
    return folder


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.slow
def test_audit_prints_a_verdict_and_leaves_its_files(films: Path, brightness_bundle: Bundle, tmp_path: Path) -> None:
    result = invoke("audit", films, "--model", brightness_bundle.path, "--out", tmp_path / "audit")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1] == RESEARCH_ONLY
    assert len(result.stdout.splitlines()) > 3
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == ["audit.html", "audit.json", "audit.svg"]


@pytest.mark.slow
def test_audit_json_is_what_the_file_holds(films: Path, tmp_path: Path) -> None:
    result = invoke("audit", films, "--out", tmp_path / "audit", "--json")
    assert json.loads(result.stdout) == json.loads((tmp_path / "audit" / "audit.json").read_text())


def test_audit_without_its_extra_says_what_to_type(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.exceptions", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = invoke("audit", films, "--out", tmp_path / "audit")
    assert result.exit_code == 1
    assert "pip install 'cxr-edge[audit]'" in result.stderr


def test_calibrate_prints_the_point_and_writes_a_copy(films: Path, brightness_bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    line = ("calibrate", f"{brightness_bundle.path}:float32", "--data", films, "--sensitivity", "0.9")
    result = invoke(*line, "--out", out)
    assert result.exit_code == 0, result.stderr
    threshold = Bundle.read(out).manifest.threshold
    assert result.stdout.startswith(f"threshold {threshold:.4f} (sensitivity >= 0.9), temperature ")
    assert result.stdout.splitlines()[-1] == RESEARCH_ONLY


def test_calibrate_does_not_write_over_another_bundle(films: Path, brightness_bundle: Bundle, tmp_path: Path) -> None:
    line = ("calibrate", f"{brightness_bundle.path}:float32", "--data", films, "--out", tmp_path / "copy")
    assert invoke(*line).exit_code == 0
    again = invoke(*line)
    assert again.exit_code == 2
    assert "holds a bundle already" in again.stderr


def test_calibrate_refuses_a_bundle_without_the_reference_model(films: Path, brightness_bundle: Bundle) -> None:
    result = invoke("calibrate", brightness_bundle.path, "--data", films)
    assert result.exit_code == 1
    assert "name the artifact to calibrate with, as BUNDLE:ARTIFACT" in result.stderr


def test_calibrate_refuses_images_too_few_for_figures(brightness_bundle: Bundle, tmp_path: Path) -> None:
    data = write_folder(tmp_path / "few", {"train": 4, "val": 2, "test": 4}, size_px=128).parent
    result = invoke("calibrate", f"{brightness_bundle.path}:float32", "--data", data)
    assert result.exit_code == 1
    assert "split 'val' has 1 image of class 'covid'; its AUC needs at least 2 of each class" in result.stderr


@pytest.mark.slow
def test_audit_takes_the_artifact_behind_a_colon(films: Path, brightness_bundle: Bundle, tmp_path: Path) -> None:
    model = f"{brightness_bundle.path}:model_float32.onnx"
    result = invoke("audit", films, "--model", model, "--out", tmp_path / "audit", "--json")
    assert json.loads(result.stdout)["model"]["artifact"] == "model_float32.onnx"


@pytest.mark.parametrize(
    "command",
    ["train", "audit", "study backbones", "study unfreeze", "study balance", "study augmentation"],
)
def test_a_command_without_data_asks_for_it_and_names_the_simulated_set(command: str, tmp_path: Path) -> None:
    result = invoke(*command.split(), "--out", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Missing argument 'DATA'. Give a folder of images, or 'phantom' for the simulated set." in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_contact_sheet_is_written_from_the_command_line(films: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    result = invoke("study", "augmentation", films, "--set", "mild", "--films", "1", "--copies", "1", "--out", out)
    assert (result.exit_code, result.stdout.strip()) == (0, str(out))
    assert out.stat().st_size > 1000


def test_a_manifest_without_a_calibration_reads_as_before(brightness_bundle: Bundle) -> None:
    path = brightness_bundle.path / "manifest.json"
    stored = json.loads(path.read_text())
    del stored["calibration"]
    path.write_text(json.dumps(stored))
    assert Bundle.read(brightness_bundle.path).manifest.calibration == {}
