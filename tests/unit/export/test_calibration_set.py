"""The films of an export by their use, as provenance names them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from cxr_edge.export.calibration_set import ExportFilms, FilmSet, RepairFilms


def films(level: int) -> FilmSet:
    return FilmSet(np.full((1, 4, 4, 3), level, np.uint8), (f"film-{level}",), "train")


def test_films_of_a_float_export_are_those_of_the_check() -> None:
    assert list(ExportFilms(films(1)).to_json()) == ["check"]


def test_further_draws_of_calibration_films_are_counted_from_two() -> None:
    repair = RepairFilms(films(3), (films(4), films(5)))
    described = ExportFilms(films(1), films(2), repair).to_json()
    assert list(described) == ["check", "calibration", "fit", "calibration_2", "calibration_3"]
    assert described["calibration_3"] == films(5).to_json()


def test_the_pipeline_is_imported_without_tensorflow() -> None:
    code = "import sys, cxr_edge.export.pipeline; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
