"""Runs the app's JUnit tests on this machine's Java and says how each ended."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from android_demo.apk import pins
from android_demo.apk.downloads import ROOT, fetch
from android_demo.apk.tools import require, run

__all__ = ["TestResult", "compile_tests", "run_tests"]

_SOURCES = ROOT / "android_demo" / "core" / "src" / "test" / "java"


@dataclass(frozen=True)
class TestResult:
    """One JUnit test: its class and name, why it failed or was skipped, and what it printed."""

    __test__ = False

    suite: str
    name: str
    failure: str | None
    skipped: str | None


def compile_tests(out: Path, classpath: Sequence[Path]) -> None:
    """Compile the JUnit tests against the classes that they test."""
    require("javac")
    joined = ":".join(map(str, (*classpath, fetch(pins.JUNIT))))
    run("javac", "--release", "11", "-Xlint:all,-options", "-cp", joined, "-d", out, *sorted(_SOURCES.rglob("*.java")))


def run_tests(
    tests: Path, classpath: Sequence[Path], cases: Path, out: Path, *, libraries: Path | None, excluded: Sequence[str] = ()
) -> tuple[list[TestResult], str]:
    """Run all JUnit tests on these classes; return how each ended, and what they wrote. `libraries` is a folder."""
    java = ["java", "-Xmx1g", "-Djava.awt.headless=true", f"-Dcxredge.cases={cases}"]
    if libraries is not None:
        java += ["-Dcxredge.tflite=true", f"-Djava.library.path={libraries}"]
    joined = ":".join(map(str, (tests, *classpath)))
    console = ["-jar", str(fetch(pins.JUNIT)), "execute", "--class-path", joined, f"--scan-class-path={tests}"]
    console += ["--reports-dir", str(out), "--details", "tree", "--disable-banner"]
    console += [f"--exclude-classname=.*{name}" for name in excluded]
    done = subprocess.run([*java, *console], capture_output=True, text=True, timeout=300)
    report = out / "TEST-junit-jupiter.xml"
    assert report.is_file(), done.stdout + done.stderr
    results = [_result(case) for case in ElementTree.parse(report).getroot().iter("testcase")]
    assert results, done.stdout
    return results, done.stdout


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
