"""An arm64 Linux with Python, numpy and the runtimes, which qemu-user runs on a machine without an Arm processor.

It is built once, in its own folder, from Debian's packages and the libraries' wheels. Nothing is installed on the
system, root is not needed, and the system's apt state is only read. The libraries have the versions that are installed
here, so a difference in scores comes from the processor and not from a release.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_edge.benchmarks.devices.emulation import apt
from cxr_edge.errors import DeviceError
from cxr_edge.system import files, locks
from cxr_edge.system.paths import cache_folder
from cxr_edge.system.progress import Progress

__all__ = ["CPUS", "Userland", "cache_folder", "find", "prepare"]

CPUS = {"a53": "cortex-a53", "a72": "cortex-a72", "a76": "cortex-a76"}
"""The processors that can be emulated: of the Pi 3 and Zero 2, the Pi 4 and the Pi 5."""

# numpy and LiteRT crash under the 7.2 of bookworm itself.
_LOWEST_QEMU = 10

_PACKAGES = (
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libc6",
    "libstdc++6",
    "libgcc-s1",
    "libgomp1",
    "libatomic1",
    "zlib1g",
    "libbz2-1.0",
    "liblzma5",
    "libexpat1",
    "libffi8",
    "libssl3",
)
_WHEELS = ("numpy", "pillow", "click", "ai-edge-litert")
_OPTIONAL_WHEELS = ("onnxruntime",)
# pip matches platform tags exactly: manylinux_2_28 alone would leave out the wheels for older systems.
_PLATFORMS = tuple(f"manylinux{age}_aarch64" for age in ("_2_28", "_2_27", "_2_26", "_2_17", "2014"))

_PYTHON = Path("root/usr/bin/python3.11")
_EMULATOR = Path("bin/qemu-aarch64")
_RECORD = "userland.json"
_STEP_TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Userland:
    """A finished userland. `versions` has the versions of qemu, Debian's Python and libc, and the libraries."""

    folder: Path
    versions: dict[str, str]

    def python(self, cpu: str, *, path: Sequence[Path] = ()) -> list[str]:
        """Return the start of a command line that runs the emulated Python on `cpu`, a key of CPUS.

        `path` has folders or zip files that Python imports from before its own libraries. It sees the host's files,
        except for those inside the userland. Raises DeviceError for a processor that is not known.
        """
        if cpu not in CPUS:
            raise DeviceError(f"processor '{cpu}' cannot be emulated; choose from: {', '.join(CPUS)}")
        imports = os.pathsep.join(str(item) for item in (*path, self.folder / "site"))
        return [
            "env",
            # OpenBLAS starts a thread for each core of the host and locks up under emulation.
            "OPENBLAS_NUM_THREADS=1",
            f"PYTHONPATH={imports}",
            str(self.folder / _EMULATOR),
            "-L",
            str(self.folder / "root"),
            "-cpu",
            CPUS[cpu],
            str(self.folder / _PYTHON),
            # Without site the libraries of the host's own Python 3.11 stay out.
            "-s",
            "-S",
        ]


def find(folder: Path | None = None) -> Userland | None:
    """Return the userland for the libraries installed here if it has been prepared, else None."""
    target = _target(folder)
    if not (target / _RECORD).is_file():
        return None
    return Userland(target, dict(files.read_json(target / _RECORD)))


def prepare(folder: Path | None = None) -> Userland:
    """Return the userland, and make it first if needed: this fetches about 150 MB and keeps 250 MB.

    `folder` replaces the user's cache. Raises DeviceError that names what is missing, OutputError.
    """
    target = _target(folder)
    ready = find(folder)
    if ready is not None:
        return ready
    apt.check_host()
    files.prepare_folder(target.parent)
    with locks.hold(target.parent / "arm64.lock"):
        # Another process may have made it while this one waited.
        ready = find(folder)
        if ready is None:
            with files.staged_folder(target) as staged:
                _build(staged)
            ready = find(folder)
    if ready is None:
        raise DeviceError(f"{target}: the arm64 userland was made and is gone again; repeat the command")
    return ready


def _target(folder: Path | None) -> Path:
    key = files.sha256_bytes(json.dumps([apt.SUITE, _PACKAGES, _PLATFORMS, _pins()]).encode())
    return (folder or cache_folder()) / f"arm64-{key[:12]}"


def _pins() -> list[str]:
    """Return the wheels of the core and, if it is installed, of ONNX Runtime, at the versions installed here."""
    pins = []
    for name in (*_WHEELS, *_OPTIONAL_WHEELS):
        try:
            pins.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError as error:
            if name in _WHEELS:
                raise DeviceError(
                    f"the arm64 userland takes its versions from here, and {name} is not installed; "
                    f"type: pip install {name}"
                ) from error
    return pins


def _build(staged: Path) -> None:
    work = staged / "work"
    with Progress("arm64 userland", 5, interval_s=3.0) as progress:
        command = apt.set_up(work)
        progress.advance(note="package lists")
        packages = _fetch_packages(work, command)
        progress.advance(note="Debian packages")
        for package in packages:
            _unpack(package, staged)
        progress.advance(note="unpacked")
        _install_wheels(staged / "site", work)
        progress.advance(note="wheels")
        versions = _try_out(staged) | _read_versions(packages)
        progress.advance(note="tried out")
    shutil.rmtree(work)
    files.write_json(staged / _RECORD, versions)


def _fetch_packages(work: Path, command: Sequence[str]) -> list[Path]:
    host = apt.host_architecture()
    wanted = [f"{name}:arm64/{apt.SUITE}" for name in _PACKAGES]
    apt.run([*command, "download", *wanted, f"qemu-user:{host}/{apt.BACKPORTS}"], "fetching Debian's packages", work)
    packages = sorted(work.glob("*.deb"))
    if len(packages) != len(wanted) + 1:
        raise DeviceError(f"the arm64 userland: {len(packages)} of {len(wanted) + 1} Debian packages came; repeat it")
    return packages


def _unpack(package: Path, staged: Path) -> None:
    if not package.name.startswith("qemu-user_"):
        apt.run(["dpkg-deb", "-x", str(package), str(staged / "root")], f"unpacking {package.name}")
        return
    whole = package.parent / "qemu"
    apt.run(["dpkg-deb", "-x", str(package), str(whole)], f"unpacking {package.name}")
    (staged / "bin").mkdir()
    (whole / "usr/bin" / _EMULATOR.name).replace(staged / _EMULATOR)


def _install_wheels(site: Path, work: Path) -> None:
    # The dependencies of these wheels have the versions that are installed here, too.
    installed = {item.metadata["Name"]: item.version for item in importlib.metadata.distributions()}
    files.write_text(
        work / "constraints.txt",
        "".join(f"{name}=={version}\n" for name, version in sorted(installed.items()) if "+" not in version),
    )
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--target", str(site), "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
    command += [part for name in _PLATFORMS for part in ("--platform", name)]
    command += ["--only-binary=:all:", "-c", str(work / "constraints.txt"), *_pins()]
    apt.run(command, "fetching the arm64 wheels by pip")


def _try_out(staged: Path) -> dict[str, str]:
    """Import everything once, to check that it runs and to compile the modules; return the versions."""
    shown = apt.run([str(staged / _EMULATOR), "--version"], "starting qemu")
    found = re.search(r"version (\d+)(\S*)", shown)
    if found is None or int(found[1]) < _LOWEST_QEMU:
        raise DeviceError(
            f"the arm64 userland needs qemu {_LOWEST_QEMU} and got '{shown.splitlines()[0]}'; add bookworm-backports"
        )
    modules = [pin.partition("==")[0] for pin in _pins()]
    names = {"pillow": "PIL.Image", "ai-edge-litert": "ai_edge_litert.interpreter"}
    script = "import platform\n" + "".join(f"import {names.get(module, module)}\n" for module in modules)
    userland = Userland(staged, {})
    machine = apt.run(
        [*userland.python("a53"), "-c", f"{script}print(platform.machine())"], "starting the emulated Python"
    )
    if machine.strip() != "aarch64":
        raise DeviceError(f"the arm64 userland says that its machine is '{machine.strip()}'; remove it and try again")
    return {"qemu": f"{found[1]}{found[2]}"} | dict(pin.split("==") for pin in _pins())


def _read_versions(packages: Sequence[Path]) -> dict[str, str]:
    # NAME_VERSION_ARCHITECTURE.deb
    parts = [package.name.split("_") for package in packages]
    return {f"debian {name}": version.replace("%3a", ":") for name, version, *_ in parts}
