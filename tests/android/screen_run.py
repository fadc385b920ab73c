"""Runs the app's screen on Android 10's own code, which Robolectric brings to the JVM."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from android_demo.apk import pins
from android_demo.apk.compile import Dependencies
from android_demo.apk.downloads import ROOT, cache_folder, fetch
from android_demo.apk.tools import BuildError, require, run
from cxr_edge import models
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.inference import classify
from cxr_edge.phantom.radiograph import render
from cxr_edge.system import files

__all__ = ["ScreenRun", "fetch_jars", "run_screen_tests", "write_cases"]

_FOLDER = Path(__file__).parent / "screen"
_TESTS = ROOT / "android_demo" / "app" / "src" / "test" / "java"
_PLATFORM = "android-all-instrumented-10-robolectric-5803371-i7.jar"
_NEWEST_PLATFORM = "android-all-instrumented-15-robolectric-12650502-i7.jar"


@dataclass(frozen=True)
class ScreenRun:
    """The names of the tests, those that failed with the reason, and what was printed."""

    names: frozenset[str]
    failures: dict[str, str]
    output: str


def fetch_jars() -> Path:
    """Return a folder with Robolectric, fetched once and pinned by hash. Raises BuildError."""
    pinned = [line.split() for line in (_FOLDER / "jars.sha256").read_text().splitlines()]
    folder = cache_folder() / "robolectric"
    if not _all_there(folder, pinned):
        require("java", "mvn")
        with files.staged_folder(folder) as staged:
            plugin = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"
            repository = f"-Dmaven.repo.local={cache_folder() / 'maven'}"
            run("mvn", "-q", "-B", "-f", _FOLDER / "pom.xml", plugin, f"-DoutputDirectory={staged}", repository)
            if not _all_there(staged, pinned):
                raise BuildError(f"{folder}: what was fetched is not what {_FOLDER / 'jars.sha256'} lists")
            # Robolectric opens the newest platform that it knows as well, for nothing that these tests use.
            (staged / _NEWEST_PLATFORM).symlink_to(_PLATFORM)
    return folder


def _all_there(folder: Path, pinned: list[list[str]]) -> bool:
    return all((folder / name).is_file() and files.sha256_file(folder / name) == digest for digest, name in pinned)


def write_cases(bundle: Bundle, folder: Path) -> None:
    """Write a film with Python's answer for it, and bundles to open, a whole one and a damaged one."""
    picture = Image.fromarray(render(7, "covid", size_px=512).pixels)
    picture.save(folder / "film.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(folder / "film.jpg", quality=90, exif=exif)
    runtime = models.open_model(bundle, bundle.artifact("model_int8.onnx"))
    answer = classify.predict(runtime, bundle.manifest, folder / "film.png")
    runtime.close()
    expected = f"{answer.label}\nP({answer.positive}) {answer.probability:.3f}, threshold {answer.threshold:.3f}"
    (folder / "expected.txt").write_text(expected)
    for name, content in (("good", (bundle.path / "model_int8.onnx").read_bytes()), ("bad", b"damaged")):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            archive.write(bundle.path / "manifest.json", "mine/manifest.json")
            archive.writestr("mine/model_int8.onnx", content)


def run_screen_tests(
    work: Path, classes: Path, dependencies: Dependencies, apk: Path, cases: Path, libraries: Path
) -> ScreenRun:
    """Compile and run ScreenTest on the app's classes, with the resources and assets of the APK."""
    jars = fetch_jars()
    listed = sorted(path for path in jars.glob("*.jar") if path.name not in (_PLATFORM, _NEWEST_PLATFORM))
    own = (classes / "core", classes / "app", fetch(pins.ONNXRUNTIME_JVM), *dependencies.portable_jars)
    classpath = [work / "tests", *own, *listed, jars / _PLATFORM]
    joined = ":".join(map(str, classpath))
    run("javac", "--release", "11", "-nowarn", "-cp", joined, "-d", work / "tests", *sorted(_TESTS.rglob("*.java")))
    with zipfile.ZipFile(apk) as archive:
        archive.extractall(work, [name for name in archive.namelist() if name.startswith("assets/")])
    _write_set_up(work, apk)
    java = ["java", "-Xmx2g", f"-Dcxredge.cases={cases}", f"-Djava.library.path={libraries}"]
    java += ["-Drobolectric.offline=true", f"-Drobolectric.dependency.dir={jars}"]
    java += [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ("java.lang", "java.util", "java.io")]
    command = [*java, "-cp", joined, "org.junit.runner.JUnitCore", "cxredge.demo.ScreenTest"]
    environment = os.environ | {"LD_LIBRARY_PATH": str(libraries), "HOME": str(work), "TMPDIR": str(work)}
    # Under a minute on an idle machine; only what hangs is to be ended.
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)
    return _read(done.stdout + done.stderr)


def _write_set_up(work: Path, apk: Path) -> None:
    facts = {
        "android_resource_apk": apk,
        "android_merged_manifest": ROOT / "android_demo" / "app" / "src" / "main" / "AndroidManifest.xml",
        "android_merged_assets": work / "assets",
        "android_custom_package": "cxredge.demo",
    }
    target = work / "tests" / "com" / "android" / "tools" / "test_config.properties"
    target.parent.mkdir(parents=True)
    target.write_text("".join(f"{key}={value}\n" for key, value in facts.items()))


def _read(output: str) -> ScreenRun:
    source = (_TESTS / "cxredge" / "demo" / "ScreenTest.java").read_text()
    names = frozenset(re.findall(r"@Test\n(?:    @.*\n)*    public void (\w+)", source))
    failures = {}
    for match in re.finditer(r"^\d+\) (\w+)\(.*?\)\n(.*?)(?=^\d+\) |\Z)", output, re.MULTILINE | re.DOTALL):
        failures[match[1]] = match[2][:1500]
    if f"OK ({len(names)} tests)" not in output and not failures:
        raise AssertionError(output[-3000:])
    return ScreenRun(names, failures, output)
