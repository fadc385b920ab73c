"""The app's plain Java against Python: the same pixels, the same overlays, the same answers.

The JUnit tests run twice: on the classes that javac makes, and on the bytecode taken out of the APK.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.android.jvm import JvmRun, TestResult

RUNS = ("compiled_run", "packaged_run")
SUITES = (
    "BundleTest",
    "ClassifierTest",
    "FilmFileTest",
    "HeatMapTest",
    "JsonTest",
    "PredictionTest",
    "PreprocessingTest",
)


@pytest.fixture(params=RUNS)
def jvm_run(request: pytest.FixtureRequest) -> JvmRun:
    run: JvmRun = request.getfixturevalue(request.param)
    return run


def check(results: list[TestResult], at_least: int) -> None:
    failures = [f"{result.suite} {result.name}: {result.failure}" for result in results if result.failure]
    assert not failures, "\n".join(failures)
    assert len([result for result in results if result.skipped is None]) >= at_least


@pytest.mark.parametrize("suite", SUITES)
def test_every_junit_test_passes(jvm_run: JvmRun, suite: str) -> None:
    check(jvm_run.of(suite), at_least=2)


def test_a_hundred_films_have_the_pixels_of_python_bit_for_bit(jvm_run: JvmRun) -> None:
    check(jvm_run.of("PreprocessingTest"), at_least=100)
    check(jvm_run.of("PreprocessingTest", "greyJpegDecodedByJava"), at_least=10)


def test_real_films_have_the_pixels_of_python_bit_for_bit(jvm_run: JvmRun, real_data: Path) -> None:
    check(jvm_run.of("RealFilmsTest"), at_least=12)


@pytest.mark.parametrize("engine", ["ONNX Runtime", "TensorFlow Lite"])
@pytest.mark.parametrize("name", ["model_float32", "model_int8"])
def test_both_engines_answer_the_golden_films(jvm_run: JvmRun, engine: str, name: str) -> None:
    assert [answer for answer in jvm_run.answers if answer.startswith(engine) and f" {name}." in answer]


@pytest.mark.parametrize("name", ["film.jpg", "film.webp"])
def test_android_decodes_without_profile_and_orientation(compiled_run: JvmRun, case_folder: Path, name: str) -> None:
    before = (case_folder / "profiles" / name).read_bytes()
    after = (case_folder / "profiles" / name.replace(".", ".plain.")).read_bytes()
    with Image.open(io.BytesIO(before)) as old, Image.open(io.BytesIO(after)) as new:
        assert {"icc_profile", "exif"} < set(old.info)
        assert not {"icc_profile", "exif"} & set(new.info)
        np.testing.assert_array_equal(np.asarray(old), np.asarray(new))
