"""The modules of the wheel import each other without a cycle; `make lint` holds the order of the rooms."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_FIND_CYCLES = """
import grimp, sys
graph = grimp.build_graph("cxr_edge", cache_dir=None)
assert len(graph.modules) > 200, len(graph.modules)
for module in sorted(graph.modules):
    for imported in graph.find_modules_directly_imported_by(module):
        chain = graph.find_shortest_chain(importer=imported, imported=module)
        if chain:
            print(" -> ".join((module, *chain)))
"""


def find_cycles(site: Path) -> list[str]:
    """Return the cycles of imports of the package in `site`, those inside functions included."""
    command = [sys.executable, "-c", _FIND_CYCLES]
    found = subprocess.run(command, cwd=site, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_no_module_imports_itself_by_way_of_others(site: Path) -> None:
    assert find_cycles(site) == []


def test_a_cycle_inside_a_function_is_found(site: Path) -> None:
    changed = site / "cxr_edge" / "contract.py"
    before = changed.read_text()
    changed.write_text(before + "\n\ndef late() -> None:\n    import cxr_edge.runtimes.base\n")
    try:
        assert any("cxr_edge.runtimes.base" in cycle for cycle in find_cycles(site))
    finally:
        changed.write_text(before)
