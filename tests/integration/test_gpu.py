"""WebGPU on Mesa's lavapipe, a Vulkan driver that computes on the CPU, unpacked for the tests where it can be had."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cxr_edge.benchmarks import run
from cxr_edge.benchmarks.devices import registry
from cxr_edge.benchmarks.devices.base import DeviceOptions
from cxr_edge.benchmarks.devices.emulation import apt
from cxr_edge.benchmarks.devices.gpu import GpuDevice
from cxr_edge.benchmarks.run import BenchOptions
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.data.dataset import open_dataset
from cxr_edge.errors import CxrEdgeError, DeviceError, RuntimeFailure, UsageError
from tests.support import models

pytest.importorskip("onnxruntime_ep_webgpu", reason="the extra 'gpu' is not installed")

ROOT = Path(__file__).resolve().parents[2]
SOFTWARE = DeviceOptions(allow_software_gpu=True)


@pytest.fixture
def lavapipe(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make Mesa 25 from bookworm-backports the only Vulkan driver (the 22.3 of bookworm is too old for WebGPU)."""
    try:
        folder = apt.unpack(
            ROOT / ".cache" / "mesa",
            (f"mesa-vulkan-drivers/{apt.BACKPORTS}", "libvulkan1", "libllvm15", "libwayland-client0"),
        )
    except DeviceError as error:
        pytest.skip(f"Mesa 25 cannot be had here: {error}")
    libraries = folder / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
    missing = subprocess.run(
        ["ldd", str(libraries / "libvulkan_lvp.so")],
        env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
        capture_output=True,
        text=True,
    ).stdout
    if "not found" in missing:
        pytest.skip("Mesa 25 needs libraries that this machine lacks; type: apt-get install mesa-vulkan-drivers")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries))
    for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.setenv(name, str(folder / "usr/share/vulkan/icd.d/lvp_icd.json"))
    return folder


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Vulkan driver at all, whatever the machine has."""
    for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.setenv(name, str(tmp_path / "none.json"))


def artifact(name: str, format: str, quantization: str) -> Artifact:
    return Artifact(name, format, quantization, "0" * 64, 1, models.OUTPUTS)


@pytest.mark.parametrize(
    ("accelerator", "name", "delegate"),
    [("webgpu", "model_float32.onnx", "WebGpuExecutionProvider"), ("litert", "model_float32.tflite", "GPU, float32")],
)
def test_an_accelerator_answers_as_the_cpu_does_and_is_labelled_software(
    lavapipe: Path, brightness_bundle: Bundle, accelerator: str, name: str, delegate: str
) -> None:
    films = open_dataset("phantom").select(split="test")
    films = dataclasses.replace(films, items=films.items[:4])
    device = f"gpu:{accelerator}"
    options = BenchOptions((device,), min_runs=4, min_time_s=0.0, warmup_runs=1, batch=2, allow_software_gpu=True)
    result = run.run(brightness_bundle, films, options, out=None)
    row = next(row for row in result.artifacts if row.name == name)
    assert row.failures == ()
    (latency,) = row.latencies
    assert (latency.device, latency.coverage) == (device, 1.0)
    assert "software adapter" in latency.identity
    assert latency.delegate.startswith(delegate)
    assert latency.first_ms > 0
    (there,) = row.elsewhere
    assert there.drift is not None
    assert row.drift is not None
    np.testing.assert_allclose(there.drift.scores, row.drift.scores, atol=1e-4)


@pytest.mark.parametrize("accelerator", ["webgpu", "litert"])
def test_a_software_adapter_is_not_taken_unasked(lavapipe: Path, accelerator: str) -> None:
    with pytest.raises(DeviceError, match=r"finds no graphics processor here.*--allow-software-gpu"):
        registry.open(f"gpu:{accelerator}")


def test_int8_is_refused_on_webgpu(lavapipe: Path) -> None:
    device = registry.open("gpu", SOFTWARE)
    assert "no int8 arithmetic" in (device.refuse(artifact("model_int8.onnx", "onnx", "int8")) or "")
    assert device.refuse(artifact("model_float32.tflite", "tflite", "float32")) == "gpu:webgpu runs .onnx files"
    assert device.refuse(artifact("model_float32.onnx", "onnx", "float32")) is None


def test_cuda_without_a_driver_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="no NVIDIA driver"):
        registry.open("gpu:cuda")


def test_cuda_never_falls_back_to_the_cpu() -> None:
    from cxr_edge.runtimes import gpu

    with pytest.raises(CxrEdgeError, match=r"no CUDA|does not run all of it"):
        gpu.open(models.onnx(), "cuda", name="model_float32.onnx")


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize(
    ("accelerator", "name"), [("litert", "model_float32.tflite"), ("webgpu", "model_float32.onnx")]
)
def test_without_a_driver_an_accelerator_is_an_error_and_not_the_cpu(
    brightness_bundle: Bundle, accelerator: str, name: str
) -> None:
    films = brightness_bundle.path / "films.npy"
    np.save(films, np.zeros((1, 224, 224, 3), np.uint8))
    # Past the check of the device, as where a driver breaks between the check and the run.
    device = GpuDevice(f"gpu:{accelerator}", accelerator, "a processor that is not there", software=True)
    request = {"task": "predict", "bundle": str(brightness_bundle.path), "threads": 1, "films": str(films)}
    with pytest.raises(RuntimeFailure, match=f"^{name}: "):
        device.ask({**request, "artifact": name}, name=name)


def test_an_accelerator_that_is_not_known_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="choose from: gpu:webgpu, gpu:cuda, gpu:litert"):
        registry.open("gpu:metal")
