"""Which devices there are, how they are written, and what those say that are not here."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cxr_edge.benchmarks.devices import adb, estimate, kit, registry, ssh
from cxr_edge.benchmarks.devices.estimate import EstimateDevice
from cxr_edge.benchmarks.measure import coverage, machine, worker_client
from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.cli.main import main
from cxr_edge.errors import DeviceError, UsageError
from tests.support import models


@pytest.mark.parametrize(
    "text", ["tpu", "", "cpu2", "ssh", "ssh:host", "pi-emulate", "cpu:1", "pi-emulated:a15", "pi-estimate", "gpu:tpu"]
)
def test_a_device_that_is_none_is_a_usage_error_with_the_choices(text: str) -> None:
    with pytest.raises(UsageError, match=r"choose from|takes nothing after it|name the board"):
        registry.open(text)


@pytest.mark.parametrize(
    "text",
    ["ssh://", "ssh://-oProxyCommand=x", "ssh://u:secret@host", "ssh://-l@host", "ssh://host:0x", "ssh://host/a;b",
     "ssh://host/py thon", "ssh://host?x=1"],
)  # fmt: skip
def test_an_address_that_ssh_could_take_for_something_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"write ssh://user@host"):
        registry.open(text)


def test_an_address_may_have_a_port_and_a_python() -> None:
    assert ssh.parse("ssh://pi@raspberrypi.local") == ("pi@raspberrypi.local", None, "python3")
    assert ssh.parse("ssh://host:2222/home/pi/venv/bin/python") == ("host", 2222, "/home/pi/venv/bin/python")


def test_the_processor_here_is_measured_and_named() -> None:
    device = registry.open("cpu")
    assert (device.kind, device.withheld) == ("measured", None)
    assert machine.describe().cpu_model in device.identity


def test_pi_elsewhere_is_an_error_that_lists_the_choices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "_BOARD", tmp_path / "none")
    with pytest.raises(DeviceError, match=r"no Raspberry Pi.*ssh://.*pi-emulated.*pi-estimate"):
        registry.open("pi")


def test_pi_on_a_raspberry_pi_is_measured_and_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    monkeypatch.setattr(machine, "_BOARD", tmp_path / "model")
    device = registry.open("pi")
    assert device.kind == "measured"
    assert device.identity.startswith("Raspberry Pi 4 Model B Rev 1.4, ")


def test_adb_without_adb_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="apt-get install adb"):
        registry.open("adb")


@pytest.mark.parametrize(
    ("text", "listed", "message"),
    [
        ("adb", "", "no phone is connected"),
        ("adb", "A1\\tunauthorized\\n", "unlock it and allow USB debugging"),
        ("adb", "A1\\tdevice\\nB2\\tdevice\\n", "name one: adb:A1, adb:B2"),
        ("adb:C3", "A1\\tdevice\\n", "no such phone is connected; adb has: A1"),
    ],
)
def test_adb_without_the_phone_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, listed: str, message: str
) -> None:
    # Stands for adb's server, which no test can have a phone behind.
    (tmp_path / "adb").write_text(f"#!/bin/sh\nprintf 'List of devices attached\\n{listed}'\n")
    (tmp_path / "adb").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(DeviceError, match=message):
        registry.open(text)


def test_a_phone_runs_the_userland_by_its_own_loader() -> None:
    start = adb.python_line("/data/local/tmp/x")
    assert "/data/local/tmp/x/root/lib/ld-linux-aarch64.so.1 --library-path" in start
    assert "PYTHONHOME=/data/local/tmp/x/root/usr" in start


def test_the_kit_runs_a_model_with_numpy_and_a_runtime_alone(tmp_path: Path, brightness_bundle: Bundle) -> None:
    site = Path(importlib.import_module("numpy").__file__ or "").parents[1]
    films = tmp_path / "films.npy"
    np.save(films, np.full((2, 224, 224, 3), 51, np.uint8))
    # An interpreter that is given the kit, and of what is installed no cxr_edge.
    code = f"import sys; sys.path[1:1] = ['{kit.write(tmp_path)}']; sys.path.append('{site}')\n"
    code += "from cxr_edge.benchmarks.measure import worker; worker.main()"
    request = {"task": "predict", "bundle": str(brightness_bundle.path), "threads": 1, "films": str(films)}
    for name in ("model_float32.tflite", "model_float32.onnx"):
        answer = worker_client.ask(
            {**request, "artifact": name}, name=name, command=[sys.executable, "-I", "-S", "-c", code]
        )
        assert answer["probabilities"][0] == pytest.approx([0.2, 0.8], abs=1e-5)


def test_the_kit_is_the_same_file_each_time(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert kit.write(tmp_path / "a").read_bytes() == kit.write(tmp_path / "b").read_bytes()


def test_a_published_figure_is_given_as_it_stands_with_source_and_date() -> None:
    figure = estimate.estimate("pi4", "int8", 304.5e6)
    assert (figure.ms, figure.low_ms, figure.high_ms) == (17, 16.5, 17.5)
    assert "8 February 2022" in figure.source


def test_another_network_gets_a_range_as_wide_as_the_line_misses() -> None:
    figure, error = estimate.estimate("pi4", "float32", 400e6), estimate.leave_one_out("pi4", "float32")
    assert 46 < figure.ms < 77
    assert figure.high_ms / figure.ms == pytest.approx(1 + error)
    assert f"{error:.0%}" in figure.source


def test_leave_one_out_errors_are_those_that_the_docs_state() -> None:
    found = {f"{board} {kind}": f"{estimate.leave_one_out(board, kind):.0%}"
             for board in ("pi3", "pi4") for kind in ("float32", "int8")}  # fmt: skip
    assert found == {"pi3 float32": "41%", "pi3 int8": "24%", "pi4 float32": "7%", "pi4 int8": "34%"}


def test_a_network_unlike_the_published_ones_gets_no_figure() -> None:
    with pytest.raises(DeviceError, match="56 to 569 million multiplications and this one 5700"):
        estimate.estimate("pi4", "float32", 5.7e9)


@pytest.mark.parametrize("board", ["zero2", "pi5"])
def test_a_board_without_a_figure_gets_one_carried_over_that_says_so(board: str) -> None:
    figure = estimate.estimate(board, "int8", 300e6)
    assert figure.low_ms < figure.ms < figure.high_ms
    assert "carried over from the Raspberry Pi" in figure.source
    assert "ncnn" in figure.source


def test_an_estimate_counts_the_multiplications_of_the_artifact_itself() -> None:
    bundle = Bundle.read(default_bundle_path())
    device = registry.open("pi-estimate:pi3")
    assert isinstance(device, EstimateDevice)
    artifact = bundle.artifact("model_int8.tflite")
    assert device.refuse(artifact) is None
    assert device.estimate(bundle, artifact).ms == 30
    assert "no figure of int16x8" in (device.refuse(dataclasses.replace(artifact, quantization="int16x8")) or "")
    assert "XNNPACK" in (device.refuse(dataclasses.replace(artifact, format="onnx")) or "")
    with pytest.raises(DeviceError, match="runs nothing"):
        device.ask({}, name="m")


def test_operations_between_a_delegates_ends_are_its_own() -> None:
    def operation(name: str, inputs: list[int], outputs: list[int]) -> dict[str, object]:
        return {"op_name": name, "inputs": np.array(inputs), "outputs": np.array(outputs)}

    graph = [operation("A", [0], [1]), operation("B", [1, 9], [2]), operation("C", [2], [3]), operation("D", [3], [4])]
    assert coverage.count_delegated([*graph, operation("DELEGATE", [1, 9], [3])]) == (2, 4)
    assert coverage.count_delegated(graph) == (0, 4)


def test_multiplications_are_counted_from_shapes() -> None:
    from cxr_edge.runtimes import litert

    runtime = litert.open(models.tflite(outputs=("probabilities",)), threads=1, name="m")
    # The two dense layers of that model: 3 channels to 2 probabilities, and to the mean.
    assert coverage.count_macs(runtime.operations(), runtime.shapes()) == 3 * 2 + 3


def test_devices_lists_every_kind_with_what_it_lacks() -> None:
    done = CliRunner().invoke(main, ["devices", "--json"])
    rows = {row["device"]: row for row in json.loads(done.stdout)}
    assert rows["cpu"]["available"]
    assert {row["kind"] for row in rows.values()} == {"measured", "emulated", "estimated"}
    assert "no Raspberry Pi" in rows["pi"]["note"] or rows["pi"]["available"]
    table = CliRunner().invoke(main, ["devices"])
    assert table.exit_code == 0
    assert max(len(line) for line in table.stdout.splitlines()) <= 120
