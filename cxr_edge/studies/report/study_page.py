"""What every study leaves: its result as JSON, a page of tables in Markdown, and figures as PNG and SVG."""

from __future__ import annotations

from pathlib import Path

from cxr_edge.studies.report import tables
from cxr_edge.studies.report.backbones_result import BackboneStudy
from cxr_edge.studies.report.balance_result import BalanceStudy
from cxr_edge.studies.report.unfreeze_result import UnfreezeStudy
from cxr_edge.system import files

__all__ = ["RESULT", "TABLES", "Study", "write"]

Study = BackboneStudy | BalanceStudy | UnfreezeStudy

RESULT = "study.json"
TABLES = "study.md"


def write(study: Study, out: Path) -> None:
    """Write the result, its tables and its figures to the folder `out`. Raises OutputError."""
    # Imported here, for it imports matplotlib.
    from cxr_edge.studies.report import study_plots

    files.write_json(out / RESULT, study.to_json())
    files.write_text(out / TABLES, tables.render(study))
    for name, figure in study_plots.draw(study).items():
        study_plots.save(figure, out / name)
