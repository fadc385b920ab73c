"""Known holes fail the check, and an index that does not answer does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.audit import judge

ROOT = Path(__file__).resolve().parents[3]


def package(name: str, *holes: str, known: bool = True) -> dict[str, Any]:
    if not known:
        return {"name": name, "skip_reason": "not found"}
    return {"name": name, "version": "1.0", "vulns": [{"id": hole, "fix_versions": ["1.1"]} for hole in holes]}


@pytest.mark.parametrize(
    ("packages", "code", "line"),
    [
        ([package("a"), package("b")], 0, "no known hole in 2 packages"),
        ([package("a"), package("b", known=False)], 0, "no known hole in 1 packages; 1 are not known there"),
        ([package("a"), package("b", "CVE-1", "CVE-2")], 1, "b 1.0: CVE-1, mended in 1.1"),
        ([package("a", known=False)], 0, "the index says nothing of holes, so none were looked for"),
    ],
)
def test_a_report_is_judged(packages: list[dict[str, Any]], code: int, line: str) -> None:
    found, lines = judge({"dependencies": packages})

    assert (found, lines[0]) == (code, line)


def test_without_an_index_the_check_says_so_and_passes(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("pillow==1.0\n")
    blocked = {"PATH": "/usr/bin:/bin", "HTTPS_PROXY": "http://127.0.0.1:9", "HOME": str(tmp_path)}
    command = [sys.executable, str(ROOT / "scripts" / "audit.py"), str(tmp_path / "constraints.txt")]
    done = subprocess.run(command, capture_output=True, text=True, env=blocked)

    assert done.returncode == 0
    assert done.stderr.startswith("audit: the index does not answer")
    assert done.stderr.count("\n") == 1
