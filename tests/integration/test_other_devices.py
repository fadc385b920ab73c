"""Devices that give no latency: what stands in the result for them, and beside what it never stands."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from cxr_edge.benchmarks import run
from cxr_edge.benchmarks.devices import other_devices, registry
from cxr_edge.benchmarks.devices.emulation import emulated
from cxr_edge.benchmarks.devices.emulation.userland import Userland
from cxr_edge.benchmarks.report import report_files
from cxr_edge.benchmarks.run import BenchOptions
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.cli.main import main
from cxr_edge.data.dataset import open_dataset


def test_an_emulated_pi_gives_drift_and_withholds_latency(
    arm64_userland: Userland, brightness_bundle: Bundle, tmp_path: Path
) -> None:
    films = open_dataset("phantom").select(split="test")
    films = dataclasses.replace(films, items=films.items[:4])
    # Where `pi-emulated:a53` finds its userland is the user's cache, which the tests keep out of.
    cache = Path.home() / ".cache" / "cxr-edge"
    cache.mkdir(parents=True)
    (cache / arm64_userland.folder.name).symlink_to(arm64_userland.folder)
    options = BenchOptions(("cpu", "pi-emulated:a53"), min_runs=4, min_time_s=0.0, warmup_runs=1, batch=2)
    result = run.run(brightness_bundle, films, options, out=None)
    for row in result.artifacts:
        assert row.failures == ()
        (there,) = row.elsewhere
        assert (there.device, there.kind) == ("pi-emulated:a53", "emulated")
        assert "cortex-a53" in there.identity
        assert "an emulator's time says nothing of a Pi" in (there.withheld or "")
        assert there.drift is not None
        assert row.drift is not None
        np.testing.assert_allclose(there.drift.scores, row.drift.scores, rtol=1e-6)
        assert [item.kind for item in row.latencies] == ["measured"]
    lines = report_files.details(result).splitlines()
    assert max(map(len, lines)) <= 120
    at = next(number for number, line in enumerate(lines) if line.startswith("pi-emulated:a53 (emulated): cortex-a53"))
    assert lines[at + 1].startswith(f"  {result.artifacts[0].name}: 0 flips")
    assert report_files.read(report_files.write(result, tmp_path)[0]) == result


def test_an_emulated_pi_does_not_run_keras(arm64_userland: Userland, brightness_bundle: Bundle) -> None:
    device = emulated.EmulatedDevice(arm64_userland, "a72")
    try:
        keras = dataclasses.replace(brightness_bundle.artifact("model_float32.onnx"), format="keras")
        assert "not run TensorFlow" in (device.refuse(keras) or "")
    finally:
        device.close()


def test_an_artifact_without_a_published_figure_is_a_row_with_its_reason(
    brightness_bundle: Bundle, tmp_path: Path
) -> None:
    command = [
        "bench",
        str(brightness_bundle.path),
        "--device",
        "pi-estimate:pi4",
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in json.loads(done.stdout)["artifacts"]}
    assert "device 'pi-estimate:pi4': the published float32 networks" in rows["model_float32.tflite"]["failures"][0]
    assert rows["model_float32.tflite"]["latencies"] == []
    (there,) = rows["model_float32.onnx"]["elsewhere"]
    assert (there["kind"], there["estimate"], there["drift"]) == ("estimated", None, None)
    assert "XNNPACK, which runs .tflite" in there["withheld"]


def test_devices_that_time_are_those_that_measure() -> None:
    opened = {name: registry.open(name) for name in ("cpu", "pi-estimate:pi3")}
    assert other_devices.timed(opened) == ["cpu"]
