"""A bench result for people and machines: text for a terminal, and a file of each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cxr_edge.benchmarks.drift.gallery import Pictures
from cxr_edge.benchmarks.report import csv_table, junit, markdown_page
from cxr_edge.benchmarks.report.page import bench_page
from cxr_edge.benchmarks.report.terminal import summary
from cxr_edge.benchmarks.report.terminal_details import details
from cxr_edge.benchmarks.result.bench_result import BenchResult
from cxr_edge.system import files

__all__ = ["CSV_NAME", "HTML_NAME", "JSON_NAME", "JUNIT_NAME", "MARKDOWN_NAME", "details", "read", "summary", "write"]

JSON_NAME = "bench.json"
HTML_NAME = "bench.html"
CSV_NAME = "bench.csv"
MARKDOWN_NAME = "bench.md"
JUNIT_NAME = "bench.xml"

_TEXTS: Mapping[str, Callable[[BenchResult], str]] = {
    CSV_NAME: csv_table.to_csv,
    MARKDOWN_NAME: markdown_page.to_markdown,
    JUNIT_NAME: junit.to_junit,
}


def write(result: BenchResult, out: Path, pictures: Mapping[str, Pictures] | None = None) -> list[Path]:
    """Write every form of the result into the folder `out`, each atomically, and return the files. Raises OutputError.

    `pictures` maps the ids of the gallery's images to their pictures; without them the page shows only scores.
    """
    files.prepare_folder(out)
    files.write_json(out / JSON_NAME, result.to_json())
    files.write_text(out / HTML_NAME, bench_page.render(result, pictures or {}))
    for name, form in _TEXTS.items():
        files.write_text(out / name, form(result))
    return [out / name for name in (JSON_NAME, HTML_NAME, *_TEXTS)]


def read(path: Path) -> BenchResult:
    """Read a bench.json, or the one in a folder. Raises DataError, UnsafeFileError."""
    path = path / JSON_NAME if path.is_dir() else path
    return BenchResult.from_json(files.read_json(path, limit_bytes=256 * 2**20), where=str(path))
