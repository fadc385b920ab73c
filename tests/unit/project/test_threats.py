"""The table of threats is true: every test that it names is there, and libraries with known holes are left out."""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "threats.md").read_text().partition("## Measured")[0]
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| threat |")]
# The versions that mended holes which were known when they were written down.
MENDED = {
    "pillow": "12.3",
    "keras": "3.13.2",
    "onnx": "1.21",
    "pydicom": "3.0.2",
    "jinja2": "3.1.6",
    "starlette": "0.49.1",
}


def find_tests(path: Path) -> set[str]:
    """Return the functions of a file that pytest runs: helpers and functions inside others are none."""
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return {function.name for function in functions if function.name.startswith("test_")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:50])
def test_the_test_of_a_threat_is_there(row: str) -> None:
    found = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)

    assert len(found) == 1, "a threat has one test, by its file and name"
    path, name = found[0]
    assert Path(path).name.startswith("test_"), "pytest collects no other files"
    assert name in find_tests(ROOT / path)


def test_every_threat_has_three_columns() -> None:
    assert len(ROWS) > 25
    assert {row.count(" | ") for row in ROWS} == {2}


@pytest.mark.parametrize("package", MENDED)
def test_lower_bounds_leave_out_known_holes(package: str) -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    stated = config["options"]["install_requires"] + "".join(config["options.extras_require"].values())
    bounds = re.findall(rf"^{re.escape(package)}>=([\d.]+)", stated, re.MULTILINE)

    assert bounds, f"{package} has no lower bound"
    for bound in bounds:
        assert [int(part) for part in bound.split(".")] >= [int(part) for part in MENDED[package].split(".")]
