"""tests/unit has the rooms of the package and no other: who looks for a room's tests finds them under its name."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
UNIT = ROOT / "tests" / "unit"
# Tests of the repository itself: packaging, layers, docs.
NO_ROOM = Path("project")


def find_room(folder: Path) -> Path:
    """Return the folder of the source that a folder of tests/unit, given relative to it, is for."""
    return ROOT / folder if folder.parts[0] in ("export", "benchmarks") else ROOT / "cxr_edge" / folder


def find_strays(unit: Path) -> list[str]:
    """Return the folders with tests that are neither a room nor `project`; "." when tests lie loose."""
    folders = {path.parent.relative_to(unit) for path in unit.rglob("test_*.py")} - {NO_ROOM}
    return sorted(
        str(folder) for folder in folders if not folder.parts or not (find_room(folder) / "__init__.py").is_file()
    )


def test_every_folder_of_unit_tests_is_a_room_or_the_project() -> None:
    assert find_strays(UNIT) == []


@pytest.mark.parametrize("place", [".", "cxr_edge", "metric", "export/graphs"])
def test_a_folder_that_is_no_room_is_found(tmp_path: Path, place: str) -> None:
    for folder in (place, "metrics", "export/repair", "project"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "test_some.py").touch()
    assert find_strays(tmp_path) == [place]
