"""What is shipped, what it pulls in, and what must not be imported where."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import cxr_edge

ROOT = Path(__file__).resolve().parents[3]
MAPPED = {"cxr_edge": "cxr_edge", "export": "cxr_edge/export", "benchmarks": "cxr_edge/benchmarks"}
HEAVY = {"tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "matplotlib", "scipy", "pydicom", "ai_edge_litert"}
SET_UP_EXTRAS = ("train", "export", "onnx", "gpu", "dicom", "archive", "cluster", "audit", "web", "interop", "test")

# Written so that neither expression finds itself.
MACHINE_PATH = re.compile(rb"(?<![\w.~-])/(?:root|work|Users|opt/wheels|tmp/[a-z]+)/|/home/(?!pi\b|user\b|\*)\w")
REGISTRY_HOST = re.compile(
    rb"pypi[.]org|pythonhosted[.]org|piwheels[.]org|registry[.]npmjs|repo1?[.]maven[.]|anaconda[.]org"
)


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8"))


def _requirements(metadata: Message) -> list[Requirement]:
    return [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]


def _needed(metadata: Message, *, machine: str, extra: str = "") -> set[str]:
    environment = {"platform_machine": machine, "sys_platform": "linux", "extra": extra}
    return {
        str(item.name) for item in _requirements(metadata) if item.marker is None or item.marker.evaluate(environment)
    }


def _python(code: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _own_files() -> list[Path]:
    # HOME is the test's own, so git does not see the user's safe.directory.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git repository here, so its files are not known")
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def test_wheel_holds_every_file_of_the_mapped_folders_and_no_other(wheel: Path) -> None:
    wanted = {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in MAPPED.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name and not name.endswith("/")}
    assert held == wanted, "list the folder in setup.cfg: packages, package_dir or package_data"


def test_wheel_has_the_version_of_the_package(metadata: Message) -> None:
    assert metadata["Version"] == cxr_edge.__version__


@pytest.mark.parametrize(
    ("machine", "runtime"),
    [("x86_64", "ai-edge-litert"), ("aarch64", "ai-edge-litert"), ("armv7l", "tflite-runtime")],
)
def test_core_needs_numpy_pillow_click_and_one_runtime(metadata: Message, machine: str, runtime: str) -> None:
    assert _needed(metadata, machine=machine) == {"click", "numpy", "pillow", runtime}


def test_numpy_is_held_below_2_only_where_the_runtime_needs_it(metadata: Message) -> None:
    numpy = [item for item in _requirements(metadata) if item.name == "numpy"]
    held = {
        machine: any(
            item.marker and item.marker.evaluate({"platform_machine": machine})
            for item in numpy
            if "2" not in item.specifier
        )
        for machine in ("x86_64", "aarch64", "armv7l")
    }
    assert held == {"x86_64": False, "aarch64": False, "armv7l": True}


def test_all_takes_in_every_extra(metadata: Message) -> None:
    everything = next(item for item in _requirements(metadata) if "all" in str(item.marker) and item.name == "cxr-edge")
    assert everything.extras == set(metadata.get_all("Provides-Extra", [])) - {"all"}


@pytest.mark.parametrize("extra", ["", *SET_UP_EXTRAS])
def test_constraints_pin_what_the_set_up_installs(metadata: Message, extra: str) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    versions = {canonicalize_name(name): version for name, version in pins.items()}
    environment = {"platform_machine": "x86_64", "sys_platform": "linux", "extra": extra}
    for item in _requirements(metadata):
        applies = item.marker is None or item.marker.evaluate(environment)
        if applies and item.name != "cxr-edge":
            assert item.specifier.contains(versions[canonicalize_name(item.name)]), item


def test_mapped_folders_are_not_importable_by_their_own_names(tmp_path: Path) -> None:
    code = "import importlib.util as u; print(u.find_spec('export'), u.find_spec('benchmarks'))"
    assert _python(code, tmp_path).split() == ["None", "None"]


def test_mapped_folders_are_importable_as_subpackages(tmp_path: Path) -> None:
    code = "import cxr_edge.export, cxr_edge.benchmarks; print(cxr_edge.export.__name__)"
    assert _python(code, tmp_path).strip() == "cxr_edge.export"


def test_command_line_loads_no_heavy_library(tmp_path: Path) -> None:
    loaded = _python("import cxr_edge.cli.main, sys; print(*sys.modules)", tmp_path).split()
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()


@pytest.mark.parametrize(
    ("file", "line", "allowed"),
    [
        ("cxr_edge/inference/classify.py", "import export", False),
        ("cxr_edge/inference/classify.py", "from benchmarks import stats", False),
        ("cxr_edge/inference/classify.py", "import cxr_edge.export", True),
        ("cxr_edge/inference/classify.py", "import tensorflow as tf", False),
        ("benchmarks/drift/drift.py", "from keras import ops", False),
        ("cxr_edge/runtimes/onnx.py", "import keras", False),
        ("cxr_edge/runtimes/keras.py", "import keras", True),
        ("cxr_edge/audit/shortcut_features.py", "import tensorflow as tf", False),
        ("cxr_edge/studies/unfreeze.py", "import keras", False),
        ("cxr_edge/training/network/model.py", "import tensorflow as tf", True),
        ("export/convert/litert.py", "import tensorflow as tf", True),
    ],
)
def test_ruff_bans_imports_that_break_the_layers(file: str, line: str, allowed: bool) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select=TID251", f"--stdin-filename={file}", "-"]
    checked = subprocess.run(command, cwd=ROOT, input=f"{line}\n", capture_output=True, text=True)
    assert ("TID251" not in checked.stdout) is allowed, checked.stdout + checked.stderr


def test_no_module_imports_a_mapped_folder_by_its_own_name() -> None:
    # ruff's per-file allowance for TensorFlow lifts this ban too, so it is checked here for every file.
    found = []
    for path in (file for file in _own_files() if file.suffix == ".py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            found += [f"{path}: {name}" for name in names if name.partition(".")[0] in ("export", "benchmarks")]
    assert found == []


def test_nothing_that_studies_stand_on_imports_a_study_or_an_audit() -> None:
    above = ("cxr_edge.studies", "cxr_edge.audit")
    allowed = {ROOT / "cxr_edge" / "cli" / f"{name}.py" for name in ("audit", "calibrate", "study")}
    found = []
    for folder in MAPPED:
        for path in (ROOT / folder).rglob("*.py"):
            if path in allowed or {"studies", "audit"} & {*path.parts}:
                continue
            for node in ast.walk(ast.parse(path.read_bytes())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
                found += [f"{path}: {name}" for name in names if name.startswith(above)]
    assert found == []


def test_an_audit_needs_no_study() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "cxr_edge" / "audit").glob("*.py")]
    assert not [text for text in texts if "cxr_edge.studies" in text or "cxr_edge.training" in text]


@pytest.mark.parametrize("pattern", [MACHINE_PATH, REGISTRY_HOST], ids=["machine-path", "registry-host"])
def test_no_file_names_a_path_of_one_machine_or_a_registry(pattern: re.Pattern[bytes]) -> None:
    found = [f"{path}: {match.group()!r}" for path in _own_files() if (match := pattern.search(path.read_bytes()))]
    assert found == []
