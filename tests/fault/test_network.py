"""No command opens a connection: each runs in a network namespace of its own, whose kernel counts every attempt."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from PIL import Image

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.cli.main import main
from cxr_edge.system import files
from tests.support import benches, models

# Runs a command where there is no network at all, and says how it ended and how often something tried to send.
WATCH = """
import json, subprocess, sys
from pathlib import Path

done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
counted = {}
for table in ("/proc/net/snmp", "/proc/net/snmp6"):
    lines = Path(table).read_text().splitlines() if Path(table).exists() else []
    if table.endswith("6"):
        counted |= {line.split()[0]: int(line.split()[1]) for line in lines}
    else:
        for names, values in zip(lines[::2], lines[1::2]):
            protocol = names.split(":")[0]
            counted |= {protocol + n: int(v) for n, v in zip(names.split()[1:], values.split()[1:])}
tried = {key: counted.get(key, 0) for key in ("IpOutRequests", "IpOutNoRoutes", "TcpActiveOpens", "Ip6OutRequests")}
print(json.dumps({"code": done.returncode, "stderr": done.stderr, "tried": sum(tried.values())}))
"""
ATTEMPTS = {
    "a connection": "import socket; socket.create_connection(('192.0.2.1', 80))",
    "a datagram": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
    "a connection to this machine": "import socket; socket.create_connection(('127.0.0.1', 9))",
}


@pytest.fixture(scope="module")
def unshare() -> tuple[str, ...]:
    """The command that runs another one without a network; skips where that is not permitted."""
    program = shutil.which("unshare")
    if program is None:
        pytest.skip("unshare is not installed")
    command = (program, "--user", "--map-root-user", "--net")
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"a network namespace is not permitted here: {tried.stderr.strip()}")
    return command


def watch(unshare: tuple[str, ...], *command: str) -> tuple[int, str, int]:
    """Return the command's exit code, its stderr, and how often it tried to send."""
    # Without the switch that the tests set, the program must set it by itself.
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [*unshare, sys.executable, "-c", WATCH, *command], env=environment, capture_output=True, text=True, check=True
    )
    seen = json.loads(done.stdout)
    return seen["code"], seen["stderr"], seen["tried"]


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_the_watch_sees(unshare: tuple[str, ...], attempt: str) -> None:
    code, _, tried = watch(unshare, sys.executable, "-c", ATTEMPTS[attempt])

    assert code != 0
    assert tried > 0


COMMANDS = {
    "classify": ("film.png", "--model", "brightness"),
    "classify an .onnx": ("film.png", "--model", "brightness:model_float32.onnx"),
    "classify by a stranger's model": ("film.png", "--model", "strangers"),
    "classify by a stranger's .onnx": ("film.png", "--model", "strangers:model_float32.onnx"),
    "explain": ("film.png", "--model", "brightness", "--out", "map.png"),
    "verify": ("brightness",),
    "report compare": ("bench.json", "bench.json"),
    "devices": (),
    "phantom": ("--out", "simulated"),
    "export": ("--format", "tflite", "--out", "exported"),
}
# What takes a minute or more, in `make fuzz` alone.
SLOW = {
    "bench": ("brightness", "--out", "report"),
    "train": ("phantom", "--preset", "single", "--weights", "none", "--epochs", "1", "--out", "trained"),
}
# Commands whose own tests run them without a network.
ELSEWHERE = {"serve", "score", "audit", "study", "calibrate"}


def test_every_command_is_watched() -> None:
    watched = {name.split()[0] for name in (*COMMANDS, *SLOW)}

    assert set(main.list_commands(click.Context(main))) - ELSEWHERE == watched


@pytest.mark.parametrize("command", [("--help",), *((name.split()[0], "--help") for name in COMMANDS)], ids=" ".join)
def test_help_opens_no_connection(unshare: tuple[str, ...], command: tuple[str, ...]) -> None:
    assert watch(unshare, sys.executable, "-m", "cxr_edge.cli.main", *command) == (0, "", 0)


@pytest.mark.parametrize("name", [*COMMANDS, *SLOW])
def test_a_command_opens_no_connection(
    unshare: tuple[str, ...], name: str, brightness_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in SLOW and not os.environ.get("CXR_EDGE_LONG"):
        pytest.skip(f"{name} takes a minute or more; 'make fuzz' runs it")
    monkeypatch.chdir(tmp_path)
    Image.new("L", (300, 300)).save("film.png")
    files.write_json(tmp_path / "bench.json", benches.make_result().to_json())
    # Not the bytes that are noted as made here.
    outputs = ("probabilities", "typicality")
    contents = {
        "model_float32.tflite": models.tflite(outputs=outputs),
        "model_float32.onnx": models.onnx(outputs=outputs),
    }
    models.write_bundle(tmp_path / "strangers", contents)
    if name == "devices":
        # adb, which it runs where it is installed, asks the ports of this machine for emulators.
        monkeypatch.setenv("PATH", str(tmp_path))
    command = name.split()[:2] if name.startswith("report") else name.split()[:1]
    arguments = COMMANDS.get(name) or SLOW.get(name) or ()
    code, errors, tried = watch(unshare, sys.executable, "-m", "cxr_edge.cli.main", *command, *arguments)

    assert (code, tried) == (0, 0), errors
    assert "Traceback" not in errors


def test_scoring_on_this_machine_opens_no_connection(
    unshare: tuple[str, ...], brightness_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (300, 300)).save("film.png")
    line = ("score", "film.png", "--out", "scores", "--model", "brightness")
    code, _, tried = watch(unshare, sys.executable, "-m", "cxr_edge.cli.main", *line)

    assert (code, tried) == (0, 0)
