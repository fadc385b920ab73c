"""The demo as it is built for these tests, once a session, and what its JUnit tests said of it."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest

from android_demo.apk import compile as compiler
from android_demo.apk import package, pins
from android_demo.apk.archives import write_entries
from android_demo.apk.compile import Dependencies
from android_demo.apk.downloads import fetch
from android_demo.apk.tools import BuildError, require, run
from cxr_edge.bundles.bundle import Bundle
from tests.android import bionic, cases, jvm
from tests.android import screen_run as screens
from tests.support import models

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def toolchain() -> Dependencies:
    """What the app is linked with; the tests are skipped, with the reason, only where it or a tool cannot be had."""
    try:
        require("java", "javac", "aapt2", "zipalign", "apksigner", "enjarify", "gcc")
        for pin in (pins.API, pins.PLATFORM, pins.BUNDLETOOL, pins.JUNIT, pins.ONNXRUNTIME_JVM):
            fetch(pin)
        return compiler.fetch_dependencies()
    except BuildError as error:
        pytest.skip(f"the Android build cannot get what it needs: {error}")


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The shipped classifier, exported by the command that a user types: float32 and int8 in both formats."""
    folder = tmp_path_factory.mktemp("export") / "bundle"
    # The stock conversion: a repair takes minutes, and has tests of its own.
    run(sys.executable, "-m", "cxr_edge", "export", "--quantize", "int8", "--no-repair", "--out", folder)
    return Bundle.read(folder)


@pytest.fixture(scope="session")
def apks(toolchain: Dependencies, exported: Bundle, tmp_path_factory: pytest.TempPathFactory) -> list[package.Apk]:
    """The APKs, built from the exported bundle as `make apk` builds them."""
    return package.build(exported, tmp_path_factory.mktemp("apk"))


@pytest.fixture(scope="session")
def apk(apks: list[package.Apk]) -> package.Apk:
    return next(item for item in apks if item.abi == "x86_64")


@pytest.fixture(scope="session")
def real_folder() -> Path | None:
    """The awkward real films, or None; as `real_data`, which skips."""
    named = os.environ.get("CXR_EDGE_DATA")
    folder = (Path(named) if named else ROOT.parent / "shared" / "data") / "odd"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def case_folder(exported: Bundle, real_folder: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Python says of films, maps and golden vectors, for the Java to match."""
    folder = tmp_path_factory.mktemp("cases")
    for name in ("films", "grey", "refused", "profiles", "overlays", "real"):
        (folder / name).mkdir()
    cases.write_films(folder / "films")
    cases.write_grey_jpegs(folder / "grey")
    cases.write_refused(folder / "refused")
    cases.write_profiles(folder / "profiles")
    cases.write_overlays(folder / "overlays")
    if real_folder is not None:
        cases.write_real(real_folder, folder / "real")
    (folder / "screen").mkdir()
    screens.write_cases(exported, folder / "screen")
    (folder / "contract.onnx").write_bytes(models.onnx(dtype="float32"))
    (folder / "bundle").symlink_to(exported.path.resolve())
    return folder


@pytest.fixture(scope="session")
def tflite_folder(apk: package.Apk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The APK's own x86_64 TensorFlow Lite, made loadable here."""
    return bionic.make_loadable(apk.signed, tmp_path_factory.mktemp("bionic"))


@pytest.fixture(scope="session")
def compiled(toolchain: Dependencies, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with core/ as javac compiles it, in core/, and the JUnit tests, in tests/."""
    work = tmp_path_factory.mktemp("compiled")
    compiler.compile_core(work / "core", toolchain)
    jvm.compile_tests(work / "tests", (work / "core", *toolchain.jars))
    return work


@pytest.fixture(scope="session")
def compiled_run(
    compiled: Path, toolchain: Dependencies, case_folder: Path, tflite_folder: Path, real_folder: Path | None
) -> jvm.JvmRun:
    """The JUnit tests on core/ as javac compiles it."""
    classpath = (compiled / "core", fetch(pins.ONNXRUNTIME_JVM), *toolchain.portable_jars)
    return jvm.run_tests(compiled, classpath, case_folder, libraries=tflite_folder, real=real_folder is not None)


@pytest.fixture(scope="session")
def packaged_run(
    compiled: Path,
    toolchain: Dependencies,
    apk: package.Apk,
    case_folder: Path,
    tflite_folder: Path,
    real_folder: Path | None,
) -> jvm.JvmRun:
    """The same JUnit tests on the app's bytecode out of the APK, taken back to the JVM's."""
    whole, own = compiled / "whole.jar", compiled / "own.jar"
    # Debian's own Python, for which Debian's enjarify is installed.
    run("/usr/bin/python3", "-m", "enjarify.main", apk.signed, "-o", whole)
    with zipfile.ZipFile(whole) as archive:
        # The runtimes' classes are left out: they have interfaces with static methods, which enjarify writes wrongly.
        write_entries(
            own, {name: archive.read(name) for name in archive.namelist() if name.startswith("cxredge/core/")}
        )
    classpath = (own, fetch(pins.ONNXRUNTIME_JVM), *toolchain.portable_jars)
    return jvm.run_tests(compiled, classpath, case_folder, libraries=tflite_folder, real=real_folder is not None)


@pytest.fixture(scope="session")
def screen_run(
    toolchain: Dependencies,
    apk: package.Apk,
    case_folder: Path,
    tflite_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> screens.ScreenRun:
    """The app's screen, on the classes that javac makes of it."""
    try:
        screens.fetch_jars()
    except BuildError as error:
        pytest.skip(f"Robolectric cannot be had: {error}")
    work = tmp_path_factory.mktemp("screen")
    compiler.compile_classes(work / "classes", toolchain)
    return screens.run_screen_tests(work, work / "classes", toolchain, apk.unsigned, case_folder, tflite_folder)
