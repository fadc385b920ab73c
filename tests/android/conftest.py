"""The demo as it is built for these tests, once a session, and what its JUnit tests said of it."""

from __future__ import annotations

import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from android_demo.apk import compile as compiler
from android_demo.apk import package
from android_demo.apk.compile import Runtimes
from android_demo.apk.tools import BuildError, require, run
from cxr_edge.bundle import Bundle
from tests import models
from tests.android import cases, jvm


@dataclass(frozen=True)
class JvmRun:
    """How the JUnit tests ended on one set of classes."""

    results: list[jvm.TestResult]
    output: str

    def of(self, suite: str) -> list[jvm.TestResult]:
        return [result for result in self.results if result.suite == suite]


@pytest.fixture(scope="session")
def toolchain(_user_home: None) -> Runtimes:
    """The runtimes and tools; skipped, with the reason, only where they cannot be had."""
    try:
        require("java", "javac", "aapt2", "zipalign", "apksigner")
        return compiler.fetch_runtimes()
    except BuildError as error:
        pytest.skip(f"the Android build cannot get what it needs: {error}")


@pytest.fixture(scope="session")
def _user_home() -> None:
    """Clients of registries are separate programs, which read their set-up from the environment as it is."""


@pytest.fixture(scope="session")
def apks(toolchain: Runtimes, tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> list[package.Apk]:
    """The APKs, built from the exported bundle as `make apk` builds them."""
    return package.build(tiny_bundle, tmp_path_factory.mktemp("apk"))


@pytest.fixture(scope="session")
def apk(apks: list[package.Apk]) -> package.Apk:
    return next(item for item in apks if item.abi == "x86_64")


@pytest.fixture(scope="session")
def case_folder(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Python says of films, maps and golden vectors, for the Java to match."""
    folder = tmp_path_factory.mktemp("cases")
    for name in ("films", "grey", "refused", "profiles", "overlays"):
        (folder / name).mkdir()
    cases.write_films(folder / "films")
    cases.write_grey_jpegs(folder / "grey")
    cases.write_refused(folder / "refused")
    cases.write_profiles(folder / "profiles")
    cases.write_overlays(folder / "overlays")
    (folder / "contract.onnx").write_bytes(models.onnx(dtype="float32"))
    (folder / "bundle").symlink_to(tiny_bundle.path.resolve())
    return folder
