from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cxr_edge.benchmarks.devices import adb
from cxr_edge.benchmarks.devices.emulation import userland
from cxr_edge.benchmarks.devices.emulation.userland import Userland
from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.contract import OUTPUT_SIZES
from cxr_edge.data.dataset import open_dataset
from cxr_edge.errors import DeviceError
from cxr_edge.export import pipeline
from cxr_edge.models import open_model

# The libraries alone, without our own code: what is compared is what they compute.
LITERT = """
import sys, numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
rows = []
for film in np.load(sys.argv[2]):
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], film[None])
    interpreter.invoke()
    outputs = {o["name"].split(":")[0]: interpreter.get_tensor(o["index"])[0] for o in interpreter.get_output_details()}
    rows.append(np.concatenate([outputs[name] for name in ("probabilities", "heatmap", "typicality")]))
np.save(sys.argv[3], np.stack(rows))
"""

ONNX = """
import sys, numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
names = ("probabilities", "heatmap", "typicality")
rows = [np.concatenate([v[0] for v in session.run(names, {"image": film[None]})]) for film in np.load(sys.argv[2])]
np.save(sys.argv[3], np.stack(rows))
"""


@pytest.fixture(scope="module")
def onnx_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    options = pipeline.ExportOptions(formats=("onnx",), quantize=("int8",))
    return pipeline.export(Bundle.read(default_bundle_path()), options, tmp_path_factory.mktemp("export") / "bundle")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    np.save(tmp_path / "films.npy", np.stack([item.pixels() for item in open_dataset("phantom").items[:2]]))
    return tmp_path / "films.npy"


def emulate(ready: Userland, cpu: str, script: str, artifact: Path, films: Path) -> npt.NDArray[np.float32]:
    out = films.parent / f"{cpu}.npy"
    command = [*ready.python(cpu), "-c", script, str(artifact), str(films), str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    emulated: npt.NDArray[np.float32] = np.load(out)
    return emulated


def run_here(bundle: Bundle, name: str, films: Path) -> npt.NDArray[np.float32]:
    runtime = open_model(bundle, bundle.artifact(name))
    rows = [runtime.run(film[None]) for film in np.load(films)]
    return np.stack([np.concatenate([row[name][0] for name in OUTPUT_SIZES]) for row in rows])


@pytest.mark.parametrize("cpu", userland.CPUS)
def test_int8_tflite_gives_the_same_integers_emulated_as_here(arm64_userland: Userland, films: Path, cpu: str) -> None:
    bundle = Bundle.read(default_bundle_path())
    artifact = bundle.path / "model_int8.tflite"
    emulated = emulate(arm64_userland, cpu, LITERT, artifact, films)
    # One step of an integer output is some percent of a probability; the sigmoid after it is in float32, and each
    # processor's kernel rounds it otherwise.
    np.testing.assert_allclose(emulated, run_here(bundle, artifact.name, films), rtol=1e-5, atol=1e-9)


def test_int8_onnx_calls_the_films_alike_emulated_and_here(
    arm64_userland: Userland, onnx_bundle: Bundle, films: Path
) -> None:
    emulated = emulate(arm64_userland, "a72", ONNX, onnx_bundle.path / "model_int8.onnx", films)
    here = run_here(onnx_bundle, "model_int8.onnx", films)
    # Not the same integers: ONNX Runtime's kernels for Arm round sums of two quantised tensors otherwise.
    assert np.abs(emulated[:, :2] - here[:, :2]).max() < 0.01


def test_its_own_loader_starts_it_as_on_a_phone(arm64_userland: Userland, tmp_path: Path) -> None:
    for part in ("root", "site"):
        (tmp_path / part).symlink_to(arm64_userland.folder / part)
    # The line for a phone, with an emulator in the place of its processor.
    loader, emulator = f"{tmp_path / 'root' / 'lib' / 'ld-linux'}", arm64_userland.folder / "bin" / "qemu-aarch64"
    line = adb.python_line(str(tmp_path)).replace(loader, f"{emulator} {loader}")
    script = "import numpy, ai_edge_litert.interpreter, platform; print(platform.machine())"
    done = subprocess.run(
        f"PYTHONPATH={tmp_path / 'site'} {line} -c '{script}'", shell=True, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "aarch64", done.stderr


def test_prepare_names_the_tools_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match=r"apt-get, dpkg, dpkg-deb, which this machine lacks"):
        userland.prepare(tmp_path)


def test_prepare_leaves_nothing_behind_when_a_step_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("apt-get", "dpkg", "dpkg-deb"):
        (tools / name).write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/bin:/usr/bin")
    with pytest.raises(DeviceError, match=r"failed \(E: no network\)"):
        userland.prepare(tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["arm64.lock"]
    assert userland.find(tmp_path / "cache") is None


def test_python_refuses_a_processor_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"processor 'a15' cannot be emulated; choose from: a53, a72, a76"):
        Userland(tmp_path, {}).python("a15")
