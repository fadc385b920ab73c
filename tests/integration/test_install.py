"""The wheel in an environment of its own: what a Pi gets by `pip install`, how large it is, and that it works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.inference.classify import choose_artifact, classify
from cxr_edge.phantom.radiograph import render
from cxr_edge.system.about import RESEARCH_ONLY
from tests.support import models

ROOT = Path(__file__).resolve().parents[2]
# A package more is a megabyte more on every Pi, and one more to trust: it is not to come unnoticed.
CORE = {"cxr-edge", "click", "numpy", "pillow", "ai-edge-litert"} | {
    *("backports.strenum", "flatbuffers", "ml_dtypes", "protobuf", "tqdm", "typing_extensions"),  # LiteRT's
}
OURS_MAX_BYTES = 15e6
ALL_MAX_BYTES = 200e6


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that the wheel was installed into by pip, with what it asks for."""
    folder = tmp_path_factory.mktemp("core") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "install", "-q", "-c", str(ROOT / "constraints.txt"), str(wheel)], capture_output=True, text=True
    )
    if "Failed to establish a new connection" in done.stderr or "NewConnectionError" in done.stderr:
        pytest.skip("no package index can be reached, so the core's libraries cannot be installed")
    assert done.returncode == 0, done.stderr
    return python


@pytest.fixture
def film(tmp_path: Path) -> Path:
    Image.fromarray(render(1, "covid").pixels).save(tmp_path / "film.png")
    return tmp_path / "film.png"


def run(environment: Path, *arguments: str) -> str:
    # From another folder and without the path of the tests, so that nothing but the installed package is seen.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([*arguments], cwd=environment.parent, env=clean, capture_output=True, text=True, check=True)
    return done.stdout


def size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def test_core_pulls_in_litert_numpy_pillow_click_and_nothing_else(environment: Path) -> None:
    code = "from importlib.metadata import distributions; print(*{d.metadata['Name'] for d in distributions()})"

    assert set(run(environment, str(environment), "-c", code).split()) == CORE


def test_our_own_part_is_small_and_so_is_the_whole(environment: Path) -> None:
    (site,) = environment.parents[1].glob("lib/python*/site-packages")

    assert size_bytes(site / "cxr_edge") < OURS_MAX_BYTES
    assert size_bytes(site) < ALL_MAX_BYTES


def test_installed_command_answers_as_the_tree_does(environment: Path, film: Path) -> None:
    bundle = Bundle.read(default_bundle_path())
    (expected,) = classify(bundle, choose_artifact(bundle), [film])

    row = json.loads(run(environment, str(environment.parent / "cxr-edge"), "classify", str(film), "--json"))

    assert row["label"] == expected.label
    assert row["probability"] == round(expected.probability or 0, 6)
    assert row["research_only"] == RESEARCH_ONLY


def test_installed_command_draws_an_overlay(environment: Path, film: Path, tmp_path: Path) -> None:
    run(environment, str(environment.parent / "cxr-edge"), "explain", str(film), "--out", str(tmp_path / "map.png"))

    with Image.open(tmp_path / "map.png") as picture:
        assert picture.width > 256


# What one film may load of ours, by room, and of the outside. Of the standard library the modules are counted, as
# they come and go. The command line loads its groups of commands, not what they run.
OWN_MODULES = {
    "": "__main__ contract errors models",
    "bundles": "bundle manifest",
    "cli": "arguments classify main",
    "imaging": "decoder limits quality",
    "inference": "classify rows sources",
    "metrics": "confusion",
    "runtimes": "base litert registry",
    "system": "about files native_stderr text",
}
OUTSIDE = {"PIL", "_cython_3", "_virtualenv", "ai_edge_litert", "click", "cxr_edge", "numpy"}
STANDARD_MAX = 180


def test_classifying_one_film_imports_only_what_it_needs(environment: Path, film: Path) -> None:
    code = (
        "import runpy, sys, atexit\n"
        "atexit.register(lambda: print(*sys.modules))\n"
        f"sys.argv = ['cxr-edge', 'classify', {str(film)!r}]\n"
        "runpy.run_module('cxr_edge', run_name='__main__')\n"
    )
    loaded = run(environment, str(environment), "-c", code).splitlines()[-1].split()

    ours = {name.partition(".")[2] for name in loaded if name.startswith("cxr_edge.")}
    standard = [name for name in loaded if name.partition(".")[0] in sys.stdlib_module_names]
    outside = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    allowed = {f"{room}.{name}".lstrip(".") for room, names in OWN_MODULES.items() for name in names.split()}
    assert ours - allowed - OWN_MODULES.keys() == set()
    assert {name for name in outside if not name.startswith("__")} - OUTSIDE == set()
    assert len(standard) <= STANDARD_MAX, sorted(standard)
    assert not {"concurrent.futures", "tempfile", "shutil", "csv", "random"} & set(standard)


def test_a_package_on_pythonpath_alone_opens_a_strangers_model_in_a_sandbox(wheel: Path, tmp_path: Path) -> None:
    models.write_bundle(tmp_path / "strangers", {"model_float32.tflite": models.tflite()})
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "target")
    # A path and no site folder: the hook of an editable install is not run.
    libraries = Path(np.__file__).parents[1]
    code = (
        "import sys, numpy, cxr_edge; from pathlib import Path; from cxr_edge.bundles.bundle import Bundle\n"
        "from cxr_edge.models import open_model\n"
        "bundle = Bundle.read(Path(sys.argv[1]))\n"
        "runtime = open_model(bundle, bundle.artifact('float32'))\n"
        "runtime.run(numpy.zeros((1, 224, 224, 3), numpy.uint8))\n"
        "print(runtime.info.details, cxr_edge.__file__)"
    )
    found = subprocess.run(
        [str(tmp_path / "venv" / "bin" / "python"), "-c", code, str(tmp_path / "strangers")],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path / 'target'}:{libraries}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert found.stdout.split("\n")[0] == f"{{'sandbox': True}} {tmp_path / 'target' / 'cxr_edge' / '__init__.py'}", (
        found.stderr
    )
