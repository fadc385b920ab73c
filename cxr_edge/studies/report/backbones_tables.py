"""The tables of `study backbones`: sizes, figures, differences, and what was exported and measured."""

from __future__ import annotations

from collections.abc import Sequence

from cxr_edge.report.markdown import table
from cxr_edge.studies.report.backbones_result import BackboneRow, BackboneStudy, ExportedArtifact
from cxr_edge.studies.report.cells import (
    list_sources,
    range_of_accuracy,
    range_of_auc,
    spell_span,
    tabulate_pairs,
)

__all__ = ["show"]


def show(study: BackboneStudy) -> list[str]:
    """Return the paragraphs and tables of the page."""
    parts = [
        "## Size\n\nWith the paper's head; MB of 1,000,000 bytes.",
        _tabulate_sizes(study.rows),
        "## Figures\n\nThe first seed's, with 95 % intervals, and mean (least to greatest) of all seeds.",
        _tabulate_figures(study.rows),
    ]
    if study.pairs:
        parts += [
            "## Differences\n\nOn the same films; p is not corrected for the number of pairs.",
            tabulate_pairs(study.pairs),
        ]
    if any(row.trained and row.trained.exported for row in study.rows):
        parts += [
            "## On this machine\n\nOne film at a time, one thread; int8 as the stock converter makes it.",
            _tabulate_exports(study.rows),
            *_list_warnings(study.rows),
        ]
    return parts


def _tabulate_sizes(rows: Sequence[BackboneRow]) -> str:
    cells = []
    for row in rows:
        exported = row.trained.exported if row.trained else None
        cells.append(
            [
                row.backbone,
                f"{row.parameters:,}",
                f"{row.backbone_parameters:,}",
                str(row.backbone_layers),
                f"{row.float32_mb:.1f}",
                f"{exported.keras_mb:.1f}" if exported else "-",
                row.weights,
            ]
        )
    heads = ("backbone", "parameters", "of the backbone", "its layers", "MB as float32", "MB of .keras", "weights")
    return table(heads, cells)


def _tabulate_figures(rows: Sequence[BackboneRow]) -> str:
    cells = []
    for row in rows:
        if row.trained is None:
            cells.append([row.backbone, "not compared: no weights", "-", "-", "-", "-"])
            continue
        seeds = row.trained.figures
        first = seeds[0]
        cells.append(
            [
                row.backbone,
                str(first.auc),
                range_of_auc(seeds),
                str(first.accuracy),
                range_of_accuracy(seeds),
                list_sources(first),
            ]
        )
    heads = ("backbone", "AUC", "AUC, seeds", "accuracy", "accuracy, seeds", "AUC within a source, val and test")
    return table(heads, cells)


def _tabulate_exports(rows: Sequence[BackboneRow]) -> str:
    cells = []
    for row in rows:
        if row.trained is not None and row.trained.exported is not None:
            for name, found in row.trained.exported.artifacts.items():
                cells.append([row.backbone, name, *_show_artifact(found)])
    return table(("backbone", "artifact", "MB", "AUC", "flips", "p50 ms", "p90 ms", "peak MiB"), cells)


def _show_artifact(found: ExportedArtifact) -> list[str]:
    latency = found.latency
    return [
        f"{found.size_mb:.2f}",
        "; ".join(found.failures) if found.auc is None else str(found.auc),
        "-" if found.flips is None else str(found.flips),
        spell_span(latency.p50_ms, 1) if latency else "-",
        f"{latency.p90_ms:.1f}" if latency else "-",
        f"{latency.peak_mib:.0f}" if latency else "-",
    ]


def _list_warnings(rows: Sequence[BackboneRow]) -> list[str]:
    lines = []
    for row in rows:
        if row.trained is not None and row.trained.exported is not None:
            lines += [f"- {row.backbone}: {warning}" for warning in row.trained.exported.warnings]
    return ["\n".join(["What bench warned of:", "", *lines])] if lines else []
