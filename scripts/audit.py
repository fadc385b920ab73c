"""Look up the versions of constraints.txt among known holes, by pip-audit, where the package index answers.

python scripts/audit.py [FILE]      default: constraints.txt

Ends with 1 where a version has a known hole. An index that does not answer, or knows none of the packages, is said and
is no failure: a check that needs the network must not stop work without one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["judge"]

DEFAULT = Path(__file__).resolve().parents[1] / "constraints.txt"
TIMEOUT_S = 120


def judge(report: dict[str, Any]) -> tuple[int, list[str]]:
    """Return the exit code for a report of pip-audit, and what to say."""
    packages = report["dependencies"]
    looked_up = [package for package in packages if "skip_reason" not in package]
    lines = [
        f"{package['name']} {package['version']}: {hole['id']}, mended in {' '.join(hole['fix_versions']) or 'none'}"
        for package in looked_up
        for hole in package["vulns"]
    ]
    if lines:
        return 1, lines
    if not looked_up:
        return 0, ["the index says nothing of holes, so none were looked for"]
    skipped = len(packages) - len(looked_up)
    return 0, [f"no known hole in {len(looked_up)} packages" + (f"; {skipped} are not known there" if skipped else "")]


def main() -> None:
    """Audit the file that the command line names."""
    file = sys.argv[1] if len(sys.argv) > 1 else str(DEFAULT)
    # The file has every package that is installed, at its version, so nothing has to be resolved.
    options = ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", "--requirement", file, *options],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        code, lines = judge(json.loads(done.stdout))
    except (subprocess.TimeoutExpired, ValueError):
        code, lines = 0, ["the index does not answer, or pip-audit is not installed; no holes were looked for"]
    for line in lines:
        print(f"audit: {line}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
