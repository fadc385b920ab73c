"""Another machine over ssh: a server of the test's own on this machine, with keys made for it, and the real client."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cxr_edge.benchmarks import run
from cxr_edge.benchmarks.devices import registry
from cxr_edge.benchmarks.run import BenchOptions
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.data.dataset import open_dataset
from cxr_edge.errors import DeviceError

SERVER = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass(frozen=True)
class Server:
    address: str
    folder: Path


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An sshd on a high port; a wrapper in front of the client gives it the test's key and known_hosts."""
    if SERVER is None or shutil.which("ssh") is None:
        pytest.skip("no sshd or ssh on this machine; type: apt-get install openssh-server openssh-client")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPidFile none\n"
    )
    host_key = (folder / "host.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(host_key)}\n")
    (folder / "config").write_text(
        f"IdentityFile {folder}/user\nIdentitiesOnly yes\nUserKnownHostsFile {folder}/known_hosts\n"
        "GlobalKnownHostsFile /dev/null\n"
    )
    (folder / "bin").mkdir()
    (folder / "bin" / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    (folder / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    if os.geteuid() == 0:
        # Where the server's own start script would have made it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    running = subprocess.Popen([SERVER, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=subprocess.PIPE)
    try:
        _wait_for(port, running)
        python = folder / "python"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        yield Server(f"ssh://127.0.0.1:{port}{python}", folder)
    finally:
        running.terminate()
        running.communicate(timeout=10)


def _wait_for(port: int, running: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        if running.poll() is not None:
            pytest.skip(f"sshd does not start here: {(running.stderr or sys.stderr.buffer).read().decode()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("sshd never listened")


def left_behind() -> set[str]:
    return {path.name for path in Path("/tmp").glob("cxr-edge-??????????") if path.is_dir()}


def test_bench_over_ssh_measures_there_and_leaves_nothing(server: Server, brightness_bundle: Bundle) -> None:
    before = left_behind()
    films = open_dataset("phantom").select(split="test")
    films = dataclasses.replace(films, items=films.items[:4])
    options = BenchOptions(devices=(server.address,), min_runs=4, min_time_s=0.0, warmup_runs=1, batch=2)
    result = run.run(brightness_bundle, films, options, out=None)
    for row in result.artifacts:
        assert row.failures == ()
        (latency,) = row.latencies
        assert (latency.device, latency.kind, latency.runs) == (server.address, "measured", 4)
        assert "ai-edge-litert" in latency.identity
        (there,) = row.elsewhere
        assert there.drift is not None
        np.testing.assert_allclose(there.drift.scores, row.drift.scores if row.drift else (), rtol=1e-6)
    assert left_behind() == before


def test_a_host_whose_key_is_not_known_is_refused(server: Server) -> None:
    (server.folder / "known_hosts").write_text("")
    with pytest.raises(DeviceError, match=r"Host key verification failed.*log in once by hand \('ssh -p \d+ 127"):
        registry.open(server.address)


def test_a_key_that_is_not_accepted_is_refused_without_a_question(server: Server) -> None:
    (server.folder / "authorized_keys").write_text("")
    with pytest.raises(DeviceError, match=r"Permission denied.*ssh-copy-id"):
        registry.open(server.address)


def test_a_missing_runtime_is_named_with_the_line_to_type(server: Server) -> None:
    # Without site-packages the interpreter has neither numpy nor a runtime.
    (server.folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    with pytest.raises(DeviceError, match=r"lacks numpy and ai-edge-litert; type: ssh .* -m pip install numpy ai-edge"):
        registry.open(server.address)


def test_a_missing_python_is_an_error_with_the_next_step(server: Server) -> None:
    (server.folder / "python").unlink()
    with pytest.raises(DeviceError, match=r"python: .*[Nn]o(t| such).*"):
        registry.open(server.address)


def test_a_file_that_does_not_arrive_whole_is_refused_and_removed(server: Server, brightness_bundle: Bundle) -> None:
    before = left_behind()
    device = registry.open(server.address)
    client = server.folder / "bin" / "ssh"
    whole = client.read_text().splitlines()[1]
    client.write_text(f'#!/bin/sh\ncase "$*" in *"cat > "*) head -c 100 | {whole[5:]} ;; *) {whole} ;; esac\n')
    np.save(server.folder / "films.npy", np.zeros((1, 224, 224, 3), np.uint8))
    request = {
        "task": "predict",
        "bundle": str(brightness_bundle.path),
        "artifact": "model_float32.tflite",
        "threads": 1,
        "films": str(server.folder / "films.npy"),
    }
    try:
        with pytest.raises(DeviceError, match=r"kit\.zip did not arrive whole"):
            device.ask(request, name="model_float32.tflite")
    finally:
        device.close()
    assert left_behind() == before
