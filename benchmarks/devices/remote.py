"""A device that is reached by a shell: copy files there, check them, run the worker, and remove the files."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cxr_edge.benchmarks.devices import kit
from cxr_edge.benchmarks.measure import worker_client
from cxr_edge.benchmarks.result.device_result import MEASURED
from cxr_edge.bundles.manifest import MANIFEST_NAME, Artifact
from cxr_edge.errors import DeviceError
from cxr_edge.system import files

__all__ = ["RemoteDevice", "run"]

_TIMEOUT_S = 600.0

# Runs in any version of Python and imports only the standard library, so it can report what is missing.
_PROBE = """
import json, platform, sys
try:
    from importlib import metadata
except ImportError:
    metadata = None
def version(name):
    if metadata is None:
        return None
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
def read(path):
    try:
        return open(path, errors='replace').read().strip('\\0\\n ')
    except OSError:
        return None
names = ('numpy', 'ai-edge-litert', 'tflite-runtime', 'onnxruntime')
cpu = [line.partition(':')[2].strip() for line in (read('/proc/cpuinfo') or '').splitlines()
       if line.startswith(('model name', 'Model'))]
print(json.dumps({'python': list(sys.version_info[:2]), 'machine': platform.machine(),
    'board': read('/proc/device-tree/model'), 'cpu': cpu[:1], 'versions': {name: version(name) for name in names}}))
"""


class RemoteDevice:
    """A machine reached by a command that runs a shell line on it. `python` is the interpreter there."""

    def __init__(self, name: str, shell: Sequence[str], *, python: str, path: Sequence[str] = ()) -> None:
        self.name = name
        self.kind = MEASURED
        self.withheld: str | None = None
        self._shell = list(shell)
        self._python = python
        self._imports = list(path)
        self._sent: dict[str, str] = {}
        self._folder: str | None = None
        self._facts = self._probe()
        self.identity = _describe(self._facts)

    def refuse(self, artifact: Artifact) -> str | None:
        """Return why the artifact does not run there."""
        if artifact.format == "keras":
            return "devices do not run TensorFlow"
        if artifact.format == "onnx" and self._facts["versions"]["onnxruntime"] is None:
            return f"ONNX Runtime is not installed there; type: {self._pip_line('onnxruntime')}"
        return None

    def ask(self, request: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        """See `Device`. Sends what is missing there: our own code, the artifact and the images."""
        folder = self._prepare()
        bundle = Path(request["bundle"])
        remote = f"{folder}/{files.sha256_bytes(str(bundle).encode())[:16]}"
        self._send(bundle / MANIFEST_NAME, f"{remote}/{MANIFEST_NAME}")
        self._send(bundle / request["artifact"], f"{remote}/{request['artifact']}")
        films = f"{folder}/{files.sha256_file(Path(request['films']))[:16]}.npy"
        self._send(Path(request["films"]), films)
        there = {key: value for key, value in request.items() if key != "arrays"} | {"bundle": remote, "films": films}
        python = self._start(f"{folder}/{kit.NAME}")
        line = f"cd {shlex.quote(folder)} && ORT_DISABLE_TELEMETRY=1 {python} -m {worker_client.WORKER}"
        return worker_client.ask(there, name=name, command=[*self._shell, line])

    def close(self) -> None:
        """See `Device`: remove the folder there, whatever happened."""
        folder, self._folder = self._folder, None
        self._sent.clear()
        if folder is not None:
            with contextlib.suppress(DeviceError):
                self.shell(f"rm -rf {shlex.quote(folder)}")

    def shell(self, line: str, *, content: Path | None = None) -> str:
        """Run a shell line there, with a file as its stdin, and return its stdout. Raises DeviceError."""
        return run([*self._shell, line], self.name, content=content)

    def make_folder(self) -> str:
        """Make an empty folder there and return its path."""
        return self.shell("umask 077 && mktemp -d /tmp/cxr-edge-XXXXXXXXXX").strip()

    def _start(self, *first: str) -> str:
        """Return the start of a shell line that runs Python there, importing from `first` before all else."""
        imports = ":".join([*first, *self._imports])
        return f"PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={shlex.quote(imports)} {self._python}"

    def _prepare(self) -> str:
        if self._folder is None:
            self._folder = self.make_folder()
            with tempfile.TemporaryDirectory(prefix="cxr-edge-") as here:
                self._send(kit.write(Path(here)), f"{self._folder}/{kit.NAME}")
        return self._folder

    def _send(self, path: Path, target: str) -> None:
        """Copy a file there, unless it is there already, and check its hash. Raises DeviceError."""
        digest = files.sha256_file(path)
        if self._sent.get(target) == digest:
            return
        quoted = shlex.quote(target)
        arrived = self.shell(
            f"mkdir -p {shlex.quote(target.rpartition('/')[0])} && cat > {quoted} && sha256sum {quoted}", content=path
        )
        if arrived.split(" ")[0] != digest:
            raise DeviceError(f"{self.name}: {path.name} did not arrive whole; check the connection and try again")
        self._sent[target] = digest

    def _probe(self) -> dict[str, Any]:
        shown = self.shell(f"{self._start()} -c {shlex.quote(_PROBE)}")
        try:
            facts: dict[str, Any] = json.loads(shown.strip().splitlines()[-1])
        except (ValueError, IndexError) as error:
            raise DeviceError(
                f"{self.name}: its shell prints extra text ('{shown[:60].strip()}'); keep .bashrc quiet"
            ) from error
        versions = facts["versions"]
        if tuple(facts["python"]) < (3, 10):
            raise DeviceError(
                f"{self.name}: has Python {'.'.join(map(str, facts['python']))}, and 3.10 is needed; install a newer "
                "one and name it: ssh://user@host/path/to/python3"
            )
        needed = [] if versions["numpy"] else ["numpy"]
        needed += [] if versions["ai-edge-litert"] or versions["tflite-runtime"] else ["ai-edge-litert"]
        if needed:
            raise DeviceError(f"{self.name}: lacks {' and '.join(needed)}; type: {self._pip_line(*needed)}")
        return facts

    def _pip_line(self, *packages: str) -> str:
        return f"{shlex.join(self._shell)} '{self._python} -m pip install {' '.join(packages)}'"


def run(command: Sequence[str], name: str, *, content: Path | None = None) -> str:
    """Run a command of this machine and return its stdout. Raises DeviceError with its error message."""
    try:
        with contextlib.ExitStack() as stack:
            stdin = subprocess.DEVNULL if content is None else stack.enter_context(content.open("rb"))
            done = subprocess.run(command, stdin=stdin, capture_output=True, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{name}: gave no answer in {_TIMEOUT_S:.0f} s; check the connection") from error
    except OSError as error:
        raise DeviceError(f"{name}: {command[0]} cannot be started ({error.strerror}); install it") from error
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        raise DeviceError(f"{name}: {lines[-1] if lines else f'ended with code {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")


def _describe(facts: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in facts["versions"].items() if version)
    what = facts["board"] or (facts["cpu"] or [facts["machine"]])[0]
    return f"{what}, {facts['machine']}, Python {'.'.join(map(str, facts['python']))}, {libraries}"
