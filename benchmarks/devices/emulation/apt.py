"""Fetch and unpack Debian packages with a separate apt state: nothing is installed, no setting is changed."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cxr_edge.errors import DeviceError
from cxr_edge.system import files, locks

__all__ = ["BACKPORTS", "SUITE", "check_host", "host_architecture", "run", "set_up", "unpack"]

SUITE = "bookworm"
BACKPORTS = "bookworm-backports"
"""Debian's release that packages come from, and the suite of newer ones for it."""

_STEP_TIMEOUT_S = 900.0

_APT_CONFIG = """\
Dir::Etc::sourcelist "{folder}/debian.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::State "{folder}/state";
Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
APT::Architecture "arm64";
#clear APT::Architectures;
APT::Architectures {{ "arm64"; "{host}"; }};
APT::Sandbox::User "root";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""

_SOURCES = """\
Types: deb
URIs: {uri}
Suites: {suite} {emulator_suite}
Components: main
Architectures: arm64 {host}
"""


def unpack(folder: Path, packages: Sequence[str]) -> Path:
    """Unpack Debian `packages` for this machine into a folder below `folder`, and return that folder.

    A package may name its suite, as in `mesa-vulkan-drivers/bookworm-backports`. Raises DeviceError, OutputError.
    """
    target = folder / files.sha256_bytes(json.dumps([SUITE, *packages]).encode())[:12]
    check_host()
    files.prepare_folder(folder)
    with locks.hold(folder / "unpack.lock"):
        if not target.is_dir():
            with files.staged_folder(target) as staged:
                work = staged / "work"
                apt, host = set_up(work), host_architecture()
                wanted = [":".join((name, host)) + slash + suite for name, slash, suite in map(_split, packages)]
                run([*apt, "download", *wanted], "fetching Debian's packages", work)
                for package in sorted(work.glob("*.deb")):
                    run(["dpkg-deb", "-x", str(package), str(staged)], f"unpacking {package.name}")
                shutil.rmtree(work)
    return target


def _split(package: str) -> tuple[str, str, str]:
    return package.partition("/")


def host_architecture() -> str:
    """Return the architecture of this machine as Debian calls it."""
    return run(["dpkg", "--print-architecture"], "asking dpkg for the architecture").strip()


def check_host() -> None:
    """Raise DeviceError unless this machine has the tools to unpack Debian's packages with."""
    missing = [tool for tool in ("apt-get", "dpkg", "dpkg-deb") if shutil.which(tool) is None]
    if platform.system() != "Linux" or missing:
        raise DeviceError(
            f"this is made with Debian's {', '.join(missing) or 'apt-get'}, which this machine lacks; "
            "run it on Debian, or measure a real Pi by 'ssh://user@host'"
        )


def set_up(work: Path) -> list[str]:
    """Fetch the package lists into `work` and return the apt-get command that uses them."""
    host = host_architecture()
    for name in ("state", "lists/partial", "cache/archives/partial", "packages"):
        (work / name).mkdir(parents=True)
    (work / "status").touch()
    sources = _SOURCES.format(uri=_debian_mirror(), suite=SUITE, emulator_suite=BACKPORTS, host=host)
    keys = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    files.write_text(work / "debian.sources", sources + (f"Signed-By: {keys}\n" if keys.is_file() else ""))
    files.write_text(work / "apt.conf", _APT_CONFIG.format(folder=work.resolve(), host=host))
    apt = ["apt-get", "-c", str(work.resolve() / "apt.conf"), "-q"]
    run([*apt, "update", "--error-on=any"], "fetching Debian's package lists")
    return apt


def _debian_mirror() -> str:
    """Return the address of the Debian archive that the system's own apt is set up with."""
    shown = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
        "asking apt for its sources",
    )
    releases = {SUITE, _os_release().get("VERSION_CODENAME", ""), "stable"}
    for line in shown.splitlines():
        uri, release, component = line.split()
        if component == "main" and release in releases and _os_release().get("ID") in ("debian", "raspbian"):
            return uri
    raise DeviceError(
        "this needs Debian's archive, and apt has no source of Debian's main component on this machine; "
        "run it on Debian, or measure a real Pi by 'ssh://user@host'"
    )


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def run(command: Sequence[str], doing: str, folder: Path | None = None) -> str:
    """Run `command` and return its stdout. Raises DeviceError with its error message."""
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=folder, env=environment, timeout=_STEP_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            f"Debian packages: {doing} took over {_STEP_TIMEOUT_S:.0f} s; check the network and try again"
        ) from error
    except OSError as error:
        raise DeviceError(f"Debian packages: {doing} failed ({error.strerror}: {command[0]})") from error
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        said = [line for line in lines if line.startswith(("E:", "ERROR:"))] or lines[-1:] or ["no message"]
        raise DeviceError(f"Debian packages: {doing} failed ({'; '.join(said[:2])}); check the network and try again")
    return done.stdout
