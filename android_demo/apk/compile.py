"""From Java and resources to what goes into an APK: bytecode, a table of resources, a binary manifest."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from android_demo.apk import pins
from android_demo.apk.archives import write_entries
from android_demo.apk.downloads import ROOT, fetch
from android_demo.apk.signatures import Api, read_api
from android_demo.apk.tools import FRAMEWORK_RESOURCES, require, run
from cxr_edge.system import files

__all__ = [
    "MIN_SDK",
    "TARGET_SDK",
    "Dependencies",
    "compile_app",
    "compile_classes",
    "compile_core",
    "fetch_dependencies",
    "platform_api",
]

MIN_SDK = 29
TARGET_SDK = 34

_DEMO = ROOT / "android_demo"
# From 17 on javac seals an enum whose constants have bodies, and this D8 takes no sealed class.
_JAVA_RELEASE = "11"
_APP = _DEMO / "app" / "src" / "main"


@dataclass(frozen=True)
class Dependencies:
    """What the app is linked with: the runtimes and Gson.

    `portable_jars` run on any JVM, `android_jars` on Android alone; `archives` hold the native libraries.
    """

    portable_jars: tuple[Path, ...]
    android_jars: tuple[Path, ...]
    archives: tuple[Path, ...]

    @property
    def jars(self) -> tuple[Path, ...]:
        """All jars of the app."""
        return (*self.portable_jars, *self.android_jars)


@cache
def platform_api() -> Api:
    """Return the public interface of API 29."""
    return read_api(fetch(pins.API).read_text(encoding="utf-8"))


def fetch_dependencies() -> Dependencies:
    """Fetch what the app is linked with, and make the jars to compile against."""
    tflite, tflite_api, onnxruntime = fetch(pins.TFLITE), fetch(pins.TFLITE_API), fetch(pins.ONNXRUNTIME_ANDROID)
    return Dependencies(
        portable_jars=(_unpack_jar(tflite), _unpack_jar(tflite_api), _strip_package_annotations(fetch(pins.GSON))),
        android_jars=(_unpack_jar(onnxruntime),),
        archives=(tflite, tflite_api, onnxruntime),
    )


def _unpack_jar(archive: Path) -> Path:
    jar = archive.with_suffix(".classes.jar")
    with zipfile.ZipFile(archive) as opened:
        files.write_bytes(jar, opened.read("classes.jar"))
    return jar


def _strip_package_annotations(jar: Path) -> Path:
    """Copy a jar without package-info classes, whose annotations are for a checker of sources that phones lack."""
    stripped = jar.with_suffix(".classes.jar")
    entries = _entries(jar)
    write_entries(stripped, {name: entries[name] for name in entries if not name.endswith("/package-info.class")})
    return stripped


def compile_core(out: Path, dependencies: Dependencies) -> None:
    """Compile core/ into class files below `out`. It sees no Android, so it cannot use any."""
    _javac(out, sorted((_DEMO / "core" / "src" / "main" / "java").rglob("*.java")), dependencies.jars)


def compile_classes(work: Path, dependencies: Dependencies) -> Path:
    """Compile core/ and app/ into work/core and work/app; return a zip of the binary manifest and resources."""
    require("javac", "java", "aapt2", str(FRAMEWORK_RESOURCES))
    compile_core(work / "core", dependencies)
    base = _link_resources(work)
    sources = sorted([*(_APP / "java").rglob("*.java"), *(work / "generated").rglob("*.java")])
    _javac(work / "app", sources, (fetch(pins.PLATFORM), work / "core", *dependencies.jars))
    return base


def compile_app(work: Path, dependencies: Dependencies) -> Path:
    """Compile all of the app; return a zip of manifest, resources and classes.dex, the same bytes every time."""
    base = compile_classes(work, dependencies)
    own = work / "own.jar"
    classes = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for folder in (work / "core", work / "app")
        for path in folder.rglob("*.class")
    }
    write_entries(own, classes)
    _dex(work / "dex.zip", [own, *dependencies.jars])
    entries = _entries(base) | _entries(work / "dex.zip")
    write_entries(work / "app.zip", entries)
    return work / "app.zip"


def _javac(out: Path, sources: list[Path], classpath: tuple[Path, ...]) -> None:
    require("javac")
    lint = "-Xlint:all,-try,-options"
    joined = ":".join(map(str, classpath))
    flags = ["-encoding", "UTF-8", "-g:source,lines", "-implicit:none", lint, "-Werror"]
    run("javac", "--release", _JAVA_RELEASE, *flags, "-cp", joined, "-d", out, *sources)


def _link_resources(work: Path) -> Path:
    compiled, base, generated = work / "resources.zip", work / "base.zip", work / "generated"
    generated.mkdir(parents=True)
    run("aapt2", "compile", "--dir", _APP / "res", "-o", compiled)
    inputs: list[str | Path] = ["-I", FRAMEWORK_RESOURCES, "--manifest", _APP / "AndroidManifest.xml", compiled]
    versions = ["--min-sdk-version", str(MIN_SDK), "--target-sdk-version", str(TARGET_SDK)]
    run("aapt2", "link", *inputs, *versions, "--java", generated, "-o", base)
    return base


def _dex(out: Path, jars: list[Path]) -> None:
    # The platform's jar has no java.*, which D8 knows by the JDK that the compiler belongs to.
    home = Path(str(shutil.which("javac"))).resolve().parents[1]
    compiler: list[str | Path] = ["java", "-Xmx1g", "-cp", fetch(pins.BUNDLETOOL), "com.android.tools.r8.D8"]
    options: list[str | Path] = ["--release", "--min-api", str(MIN_SDK), "--lib", fetch(pins.PLATFORM), "--lib", home]
    run(*compiler, *options, "--output", out, *jars)


def _entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
