"""What the build takes from elsewhere: fetched once by the registries' own clients, pinned by hash, kept in a cache."""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from android_demo.apk.tools import BuildError, require, run
from cxr_edge.system import files
from cxr_edge.system.progress import say

__all__ = ["Pin", "cache_folder", "fetch"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Pin:
    """A file by its SHA-256. `origin` says which client fetches `source`; `member` is the file inside of it, if any.

    `note` says what it is and under which licence, for people.
    """

    name: str
    origin: str
    source: str
    sha256: str
    note: str
    member: str | None = None


def cache_folder() -> Path:
    """Return where downloads are kept: $CXR_EDGE_ANDROID_CACHE, or .cache/android of the tree."""
    named = os.environ.get("CXR_EDGE_ANDROID_CACHE")
    return Path(named) if named else ROOT / ".cache" / "android"


def fetch(pin: Pin) -> Path:
    """Return the pinned file, from the cache or fetched. Raises BuildError when it cannot be had or is another."""
    target = cache_folder() / pin.name
    if target.is_file() and files.sha256_file(target) == pin.sha256:
        return target
    say(f"apk: fetching {pin.source} ({pin.origin}): {pin.note}")
    files.prepare_folder(target.parent)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=target.parent) as folder:
        try:
            content = _CLIENTS[pin.origin](pin, Path(folder))
        except (OSError, KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
            raise BuildError(f"{pin.source}: holds no readable {pin.member or pin.name} ({error})") from error
    found = files.sha256_bytes(content)
    if found != pin.sha256:
        raise BuildError(f"{pin.name}: fetched from {pin.source}, its sha256 is {found} where {pin.sha256} was tested")
    files.write_bytes(target, content)
    return target


def _from_maven(pin: Pin, folder: Path) -> bytes:
    require("java", "mvn")
    # The version of the plugin is pinned too; a repository of its own keeps the user's as it is.
    goal = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy"
    places = [f"-DoutputDirectory={folder / 'out'}", f"-Dmaven.repo.local={cache_folder() / 'maven'}"]
    run("mvn", "-q", "-B", goal, f"-Dartifact={pin.source}", *places)
    return _only(folder / "out").read_bytes()


def _from_pip(pin: Pin, folder: Path) -> bytes:
    run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "-d", folder, pin.source)
    with zipfile.ZipFile(_only(folder)) as wheel:
        return wheel.read(str(pin.member))


def _from_npm(pin: Pin, folder: Path) -> bytes:
    require("npm")
    run("npm", "pack", "--silent", pin.source, cwd=folder, env={"npm_config_cache": str(folder / "cache")})
    return _member(next(folder.glob("*.tgz")), pin)


def _from_debian_source(pin: Pin, folder: Path) -> bytes:
    """Fetch a source package through apt, with lists of its own: most systems list no sources."""
    require()
    rows = run("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    sources = folder / "sources.list"
    files.write_text(sources, "".join(f"deb-src {row}\n" for row in sorted(set(rows.splitlines()))))
    (folder / "lists" / "partial").mkdir(parents=True)
    own = {"Etc::SourceList": sources, "Etc::SourceParts": "/dev/null", "State::Lists": folder / "lists"}
    own |= {"Cache::pkgcache": "", "Cache::srcpkgcache": ""}
    apt = ["apt-get", "-qq", *(f"-oDir::{key}={value}" for key, value in own.items()), "-oAPT::Sandbox::User=root"]
    run(*apt, "update")
    run(*apt, "source", "--download-only", pin.source, cwd=folder)
    return _member(next(folder.glob("*.orig.tar.*")), pin)


def _member(archive: Path, pin: Pin) -> bytes:
    with tarfile.open(archive) as opened:
        handle = opened.extractfile(str(pin.member))
        if handle is None:
            raise KeyError(f"{pin.member} is no file")
        return handle.read()


def _only(folder: Path) -> Path:
    found = [path for path in folder.iterdir() if path.is_file()]
    if len(found) != 1:
        raise KeyError(f"{len(found)} files where one was expected")
    return found[0]


_CLIENTS = {"maven": _from_maven, "pip": _from_pip, "npm": _from_npm, "debian source": _from_debian_source}
