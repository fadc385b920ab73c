"""The sections of the page about predictions: verdicts, operating points, sources, heat maps."""

from __future__ import annotations

from cxr_edge.benchmarks.report.page import drift_plots, marks
from cxr_edge.benchmarks.result import drift_figures, heatmap_figures, phrases
from cxr_edge.benchmarks.result.bench_result import BenchResult
from cxr_edge.benchmarks.result.drift_result import FAIL, PASS, UNDECIDED, SourceReport
from cxr_edge.benchmarks.result.predictions_source import Predictions
from cxr_edge.report.html import figure, lay_out, note, section
from cxr_edge.report.svg import element, text

__all__ = ["show_drift", "show_localisation", "show_operating_points", "show_sources"]

_CALIBRATION = (
    "ECE is the calibration error in 10 bins of equal size. Brier is the mean squared error of the probability. "
    "Distinct scores and tied pairs show how coarse the scores are; a tied pair is a positive and a negative image of "
    "equal score. An unusual image exceeds the limit of the out-of-distribution score. Changed images are those for "
    "which the float artifact says the opposite. The intervals of sensitivities and of ECE are bootstrapped within the "
    "classes."
)


def show_drift(result: BenchResult) -> str:
    """Return the verdicts: a plot of the changes against the margin, a table, and each reason in words."""
    margin, model = result.options.margin, result.model
    explanation = (
        f"Every artifact is compared with {result.reference} on the same images. The verdict asks whether AUC falls by "
        f"{margin:g} or more: {PASS} if the 95 % interval of the change (paired DeLong) rules this out, {FAIL} if the "
        f"interval shows it, {UNDECIDED} otherwise. A flip is an image whose label differs from the reference's at the "
        f"threshold {model.threshold:.3f} for {model.positive}. A regression is a flip from right to wrong, a fix from "
        "wrong to right. McNemar's exact test asks whether regressions and fixes are equally frequent. The largest and "
        "mean changes are of the probability."
    )
    reasons = (
        element("li", marks.badge(outcome), " ", element("b", text(row.name)), text(f": {reason}"))
        for row, outcome, reason in phrases.explain_verdicts(result)
    )
    return section(
        "Drift: can an artifact replace the reference?",
        note(explanation),
        element(
            "div",
            figure("Change of AUC, 95 % interval, and the margin", drift_plots.draw_changes(result)),
            element("ul", *reasons, class_="reasons"),
            class_="plots",
        ),
        marks.table(drift_figures.PAGE, [(row, Predictions(row, row.drift)) for row in result.artifacts]),
        _failures(result),
    )


def show_operating_points(result: BenchResult) -> str:
    """Return sensitivity and specificity at the old and the refitted threshold, and the calibration."""
    rows = [(row, Predictions(row, row.drift)) for row in result.artifacts if row.drift is not None]
    if not rows:
        return ""
    return section(
        "Operating points and calibration",
        note(_explain_points(result)),
        marks.table(drift_figures.PAGE_POINTS, rows, options=result.options),
        note(_CALIBRATION),
        marks.table(drift_figures.PAGE_CALIBRATION, rows),
    )


def _explain_points(result: BenchResult) -> str:
    fitted = next(row.drift.transfer.fitted_on for row in result.artifacts if row.drift is not None)
    flatters = ""
    if fitted == result.data.split:
        flatters = " These are the measured images themselves, so the refitted rates are optimistic."
    return (
        f"Old: at the bundle's threshold {result.model.threshold:.3f}, which was chosen for the float model. Refitted: "
        "at a threshold chosen for each artifact, with the largest sensitivity + specificity on the split "
        f"{fitted}.{flatters} If only the refitted rates equal those of the reference, the artifact needs its own "
        "threshold."
    )


def show_sources(result: BenchResult) -> str:
    """Return AUC, flips and rates within each source, which reveal a shortcut; empty for images of one source."""
    rows = [(row, row.drift) for row in result.artifacts if row.drift is not None]
    if not rows or len(rows[0][1].sources) < 2:
        return ""
    sources = rows[0][1].sources
    heads = [f"{name} ({part.positive_films} + {part.negative_films} images)" for name, part in sources.items()]
    shortcut = phrases.describe_shortcut(result)
    body = []
    for row, drift in rows:
        cells = [text(phrases.format_interval(drift.auc)), *map(_source_cell, drift.sources.values())]
        body.append((marks.swatch(row) + text(row.name), cells))
    return section(
        "By source",
        note(
            "Within one source, differences between sources cannot raise the AUC. A source with one class only has a "
            "sensitivity or a specificity instead of an AUC. Changes of AUC and flips are against the reference."
        ),
        element("p", text(f"Warning: {shortcut}."), class_="mind") if shortcut else "",
        lay_out(("Artifact", "All images: AUC", *heads), body),
    )


def show_localisation(result: BenchResult) -> str:
    """Return how well heat maps lie on the lesions; empty without masks."""
    rows = []
    for row in result.artifacts:
        if row.drift is not None and row.drift.localisation is not None:
            rows.append((row, row.drift.localisation))
    if not rows:
        return ""
    first = rows[0][1]
    explanation = (
        f"Measured on the {first.films} positive images with a lesion mask. Hit rate: how often the hottest of the 49 "
        f"cells overlaps the lesion (a uniform map: {first.chance_hit_rate:.3f}). Energy: the part of the map on the "
        f"lesion (a uniform map: {first.chance_energy:.3f}). Lost, gained and change are against {first.reference}. "
        "The Keras model has no map. A map explains the more probable class."
    )
    return section("Heat maps on the lesions", note(explanation), marks.table(heatmap_figures.PAGE, rows))


def _source_cell(part: SourceReport) -> str:
    found = []
    if part.auc is not None:
        found.append(phrases.format_interval(part.auc))
        if part.change is not None:
            found.append(f"change {phrases.format_change(part.change)}")
    elif part.sensitivity is not None:
        found.append(f"sens {part.sensitivity:.3f}")
    elif part.specificity is not None:
        found.append(f"spec {part.specificity:.3f}")
    if part.flips is not None:
        found.append(f"{part.flips} flip{'s' * (part.flips != 1)}")
    return "<br>".join(text(line) for line in found)


def _failures(result: BenchResult) -> str:
    reasons = [element("li", text(reason)) for row in result.artifacts for reason in row.failures]
    return element("ul", *reasons, class_="failures") if reasons else ""
