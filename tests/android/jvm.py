"""Runs the app's JUnit tests on this machine's Java and says how each ended."""

from __future__ import annotations

import os
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from android_demo.apk import pins
from android_demo.apk.downloads import ROOT, fetch
from android_demo.apk.tools import require, run

__all__ = ["JvmRun", "TestResult", "compile_tests", "run_tests"]

_SOURCES = ROOT / "android_demo" / "core" / "src" / "test" / "java"


@dataclass(frozen=True)
class TestResult:
    """One JUnit test: its class, its name, why it failed and why it was skipped."""

    __test__ = False

    suite: str
    name: str
    failure: str | None
    skipped: str | None


@dataclass(frozen=True)
class JvmRun:
    """How the JUnit tests ended on one set of classes, and what they printed of golden answers."""

    results: list[TestResult]
    answers: list[str]

    def of(self, suite: str, method: str = "") -> list[TestResult]:
        return [result for result in self.results if result.suite == suite and result.name.startswith(method)]


def compile_tests(out: Path, classpath: Sequence[Path]) -> None:
    """Compile the JUnit tests against the classes that they test."""
    require("javac")
    joined = ":".join(map(str, (*classpath, fetch(pins.JUNIT))))
    run("javac", "--release", "11", "-Xlint:all,-options", "-cp", joined, "-d", out, *sorted(_SOURCES.rglob("*.java")))


def run_tests(work: Path, classpath: Sequence[Path], cases: Path, *, libraries: Path, real: bool) -> JvmRun:
    """Run the JUnit tests in work/tests on these classes; TensorFlow Lite is in `libraries`. `real`: real films too."""
    java = ["java", "-Xmx1g", "-Djava.awt.headless=true", f"-Dcxredge.cases={cases}"]
    java += [f"-Djava.library.path={libraries}", "-jar", str(fetch(pins.JUNIT)), "execute"]
    tests, reports = work / "tests", Path(tempfile.mkdtemp(prefix="reports-", dir=work))
    java += ["--class-path", ":".join(map(str, (tests, *classpath))), f"--scan-class-path={tests}"]
    java += ["--reports-dir", str(reports), "--details", "tree", "--disable-banner"]
    java += [] if real else ["--exclude-classname=.*RealFilmsTest"]
    environment = os.environ | {"LD_LIBRARY_PATH": str(libraries), "ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(java, env=environment, capture_output=True, text=True, timeout=1800)
    report = reports / "TEST-junit-jupiter.xml"
    assert report.is_file(), done.stdout + done.stderr
    results = [_result(case) for case in ElementTree.parse(report).getroot().iter("testcase")]
    answers = [line.partition("golden: ")[2] for line in done.stdout.splitlines() if "golden: " in line]
    return JvmRun(results, answers)


def _result(case: ElementTree.Element) -> TestResult:
    failed = case.find("failure") if case.find("failure") is not None else case.find("error")
    skipped = case.find("skipped")
    output = "".join(case.itertext())
    return TestResult(
        case.attrib["classname"].rpartition(".")[2],
        case.attrib["name"] + " " + output.partition("display-name: ")[2].partition("\n")[0],
        None if failed is None else (failed.text or failed.attrib.get("message", "failed"))[:500],
        None if skipped is None else (skipped.text or "skipped"),
    )
