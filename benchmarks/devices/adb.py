"""`adb[:serial]`: an Android phone on a USB cable. The arm64 userland is copied to it; nothing is installed.

Android has no Python. The phone runs the Python of the userland from /data/local/tmp, with the userland's own loader.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import tarfile
import tempfile
from pathlib import Path

from cxr_edge.benchmarks.devices.base import DeviceOptions
from cxr_edge.benchmarks.devices.emulation import userland
from cxr_edge.benchmarks.devices.remote import RemoteDevice, run
from cxr_edge.errors import DeviceError

__all__ = ["list_phones", "open", "python_line"]

_BASE = "/data/local/tmp"
_LIBRARIES = ("lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu")


class Phone(RemoteDevice):
    """A phone with the userland in its folder `home`; closing removes the folder."""

    def __init__(self, name: str, shell: list[str], home: str) -> None:
        self._home = home
        super().__init__(name, shell, python=python_line(home), path=[f"{home}/site"])

    def make_folder(self) -> str:
        """Make an empty folder there and return its path."""
        return self.shell(f"mktemp -d {_BASE}/cxr-edge-XXXXXXXXXX").strip()

    def close(self) -> None:
        """See `Device`."""
        super().close()
        with contextlib.suppress(DeviceError):
            self.shell(f"rm -rf {shlex.quote(self._home)}")


def python_line(home: str) -> str:
    """Return the start of a shell line that runs the Python of the userland in `home`, on an Arm processor."""
    root = f"{home}/root"
    libraries = ":".join(f"{root}/{folder}" for folder in _LIBRARIES)
    return (
        f"env OPENBLAS_NUM_THREADS=1 PYTHONHOME={root}/usr {root}/lib/ld-linux-aarch64.so.1 "
        f"--library-path {libraries} {root}/usr/bin/python3.11 -s -S"
    )


def list_phones() -> dict[str, str]:
    """Return the state that adb gives each phone by its serial. Raises DeviceError without adb."""
    if shutil.which("adb") is None:
        raise DeviceError("device 'adb': adb is not installed here; type: apt-get install adb")
    lines = run(["adb", "devices"], "adb").splitlines()[1:]
    return {serial: state for serial, _, state in (line.partition("\t") for line in lines) if state}


def open(text: str, options: DeviceOptions) -> Phone:
    """Return the phone, with the userland on it. Raises DeviceError without adb, a phone, or its consent."""
    wanted, phones = text.partition(":")[2], list_phones()
    ready = [serial for serial, state in phones.items() if state == "device"]
    if "unauthorized" in phones.values() and not ready:
        raise DeviceError(f"device '{text}': the phone does not trust this machine; unlock it and allow USB debugging")
    if wanted and wanted not in ready:
        raise DeviceError(f"device '{text}': no such phone is connected; adb has: {', '.join(ready) or 'none'}")
    if len(ready) != 1 and not wanted:
        reason = f"several phones are connected; name one: {', '.join(f'adb:{serial}' for serial in ready)}"
        none = "no phone is connected; plug one in with USB debugging on, and see 'adb devices'"
        raise DeviceError(f"device '{text}': {reason if ready else none}")
    serial = wanted or ready[0]
    shell = ["adb", "-s", serial, "shell"]
    home = run([*shell, f"mktemp -d {_BASE}/cxr-edge-XXXXXXXXXX"], text).strip()
    try:
        _push(userland.prepare(), ["adb", "-s", serial], home, text)
        return Phone(f"adb:{serial}", shell, home)
    except DeviceError:
        run([*shell, f"rm -rf {shlex.quote(home)}"], text)
        raise


def _push(ready: userland.Userland, adb: list[str], home: str, name: str) -> None:
    # One archive: adb follows no links, and the userland has thousands of small files.
    with tempfile.TemporaryDirectory(prefix="cxr-edge-") as folder:
        archive = Path(folder) / "userland.tar"
        with tarfile.open(archive, "w") as packed:
            for part in ("root", "site"):
                packed.add(ready.folder / part, part)
        run([*adb, "push", str(archive), f"{home}/userland.tar"], name)
    run([*adb, "shell", f"cd {home} && tar xf userland.tar && rm userland.tar"], name)
