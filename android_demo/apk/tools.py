"""The programs that the build runs: found, or installed from Debian with a word about it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cxr_edge.errors import CxrEdgeError
from cxr_edge.system.progress import say

__all__ = ["FRAMEWORK_RESOURCES", "BuildError", "require", "run"]

FRAMEWORK_RESOURCES = Path("/usr/share/android-framework-res/framework-res.apk")
"""The platform's own resources, API 29, from Debian's package android-framework-res."""

_PACKAGES = {
    "javac": "openjdk-17-jdk-headless",
    "java": "openjdk-17-jdk-headless",
    "keytool": "openjdk-17-jdk-headless",
    "mvn": "maven",
    "npm": "npm",
    "aapt2": "aapt",
    "zipalign": "zipalign",
    "apksigner": "apksigner",
    "enjarify": "enjarify",
    "gcc": "gcc",
    str(FRAMEWORK_RESOURCES): "android-framework-res",
}


class BuildError(CxrEdgeError):
    """A tool, download or source that the APK cannot be built with."""


def require(*names: str) -> None:
    """Install the Debian packages of those programs and files that are missing. Raises BuildError."""
    packages = sorted({_PACKAGES[name] for name in names if not _is_there(name)})
    if not packages:
        return
    wanted = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise BuildError(f"{wanted}: needed and not there, and this is no Debian; install them by hand")
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    if as_root and shutil.which("sudo") is None:
        raise BuildError(f"{wanted}: needed and not there; as root, type: apt-get install {wanted}")
    say(f"apk: installing the Debian packages {wanted} with apt-get")
    apt = [*as_root, "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    run(*apt, "update")
    run(*apt, "install", "-y", "--no-install-recommends", *packages, env={"DEBIAN_FRONTEND": "noninteractive"})


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program and return what it wrote to stdout. Raises BuildError with its last words."""
    words: Sequence[str] = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, env=os.environ | (env or {}), stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
    except OSError as error:
        raise BuildError(f"{words[0]}: cannot be run ({error.strerror}); install it") from error
    if done.returncode != 0:
        last = "\n".join((done.stderr + done.stdout).strip().splitlines()[-15:])
        raise BuildError(f"{words[0]}: failed with {done.returncode}:\n{last}")
    return done.stdout


def _is_there(name: str) -> bool:
    return Path(name).is_file() if name.startswith("/") else shutil.which(name) is not None
