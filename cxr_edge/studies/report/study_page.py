"""What every study leaves: its result as JSON, a page of tables in Markdown, and figures as PNG and SVG."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from cxr_edge.benchmarks.measure import machine
from cxr_edge.data.dataset import Dataset
from cxr_edge.studies.report import tables
from cxr_edge.system import files
from cxr_edge.system.about import RESEARCH_ONLY, __version__

__all__ = ["RESULT", "TABLES", "head", "write"]

SCHEMA = 1
RESULT = "study.json"
TABLES = "study.md"

# Where something lies is this machine's affair.
_PLACES = ("data", "weights", "out")


def head(study: str, dataset: Dataset, options: Any) -> dict[str, Any]:
    """Return what stands at the top of every result: which study, on what, with which options, where."""
    chosen = {name: value for name, value in dataclasses.asdict(options).items() if name not in _PLACES}
    described = machine.describe()
    return {
        "schema": SCHEMA,
        "study": study,
        "cxr_edge": __version__,
        "research_only": RESEARCH_ONLY,
        "data": dataset.name,
        "data_sha256": dataset.fingerprint(),
        "options": chosen,
        "machine": f"{described.cpu_model}, {described.usable_cores} cores",
        "notes": list(dataset.notes),
    }


def write(result: dict[str, Any], out: Path) -> None:
    """Write the result, its tables and its figures to the folder `out`. Raises OutputError."""
    # Imported here, for it imports matplotlib.
    from cxr_edge.studies.report import study_plots

    files.write_json(out / RESULT, result)
    files.write_text(out / TABLES, tables.render(result))
    for name, figure in study_plots.draw(result).items():
        study_plots.save(figure, out / name)
