"""The sections of the page that are about answers: verdicts, operating points, sources, heat maps."""

from __future__ import annotations

from cxr_edge.benchmarks.report.page import drift_plots, marks
from cxr_edge.benchmarks.result import drift_figures, heatmap_figures, phrases
from cxr_edge.benchmarks.result.bench_result import BenchResult
from cxr_edge.benchmarks.result.drift_result import SourceReport
from cxr_edge.benchmarks.result.predictions_source import Predictions
from cxr_edge.report.html import figure, lay_out, note, section
from cxr_edge.report.svg import element, text

__all__ = ["show_drift", "show_localisation", "show_operating_points", "show_sources"]

_CALIBRATION = (
    "ECE is the calibration error in 10 bins of equal mass, Brier the mean squared error of the probability. "
    "Distinct scores and tied pairs, a positive and a negative film of one score, tell how coarse the scores are. "
    "Untypical films are over the limit of typicality, otherwise those that the float artifact judges otherwise. "
    "Intervals of sensitivities and of ECE are bootstrapped within the classes."
)


def show_drift(result: BenchResult) -> str:
    """Return the verdicts: a plot of the changes against the margin, a table, and each reason in words."""
    margin, model = result.options.margin, result.model
    explanation = (
        f"Changes are against {result.reference} on the same films. The verdict is on a loss of AUC of {margin:g}: "
        "pass where the 95 % interval of the change (paired DeLong) rules it out, fail where it shows it, and else "
        f"the films are too few to tell. A flip is a film called otherwise at the threshold {model.threshold:.3f} for "
        f"{model.positive}; spoiled ones the reference had right. McNemar's exact test asks whether as many were "
        "corrected as spoiled; the other changes are of the probability."
    )
    reasons = (
        element("li", marks.badge(outcome), " ", element("b", text(row.name)), text(f": {reason}"))
        for row, outcome, reason in phrases.explain_verdicts(result)
    )
    return section(
        "Drift: may an artifact stand in for the reference?",
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
        flatters = " These are the measured films themselves, so the refitted rates flatter."
    return (
        f"Old: at the bundle's threshold {result.model.threshold:.3f}, which was chosen on the float model. Refitted: "
        f"at a threshold chosen for each artifact, with the largest sensitivity + specificity on the split {fitted}."
        f"{flatters} Where only the refitted rates are those of the reference, the artifact needs a threshold of its "
        "own."
    )


def show_sources(result: BenchResult) -> str:
    """Return AUC, flips and rates within each source, so that a shortcut shows; empty for films of one source."""
    rows = [(row, row.drift) for row in result.artifacts if row.drift is not None]
    if not rows or len(rows[0][1].sources) < 2:
        return ""
    sources = rows[0][1].sources
    heads = [f"{name} ({part.positive_films} + {part.negative_films} films)" for name, part in sources.items()]
    shortcut = phrases.describe_shortcut(result)
    body = []
    for row, drift in rows:
        cells = [text(phrases.format_interval(drift.auc)), *map(_source_cell, drift.sources.values())]
        body.append((marks.swatch(row) + text(row.name), cells))
    return section(
        "By source",
        note(
            "Among the films of one source no difference between sources can raise an AUC; where a source holds one "
            "class only, it has a sensitivity or a specificity instead. Changes of AUC and flips are against the "
            "reference."
        ),
        element("p", text(f"Mind: {shortcut}."), class_="mind") if shortcut else "",
        lay_out(("Artifact", "All films: AUC", *heads), body),
    )


def show_localisation(result: BenchResult) -> str:
    """Return how well heat maps lie on the lesions; empty where no masks are."""
    rows = []
    for row in result.artifacts:
        if row.drift is not None and row.drift.localisation is not None:
            rows.append((row, row.drift.localisation))
    if not rows:
        return ""
    first = rows[0][1]
    explanation = (
        f"On the {first.films} positive films with a lesion mask. Hit rate: the hottest of the 49 cells meets the "
        f"lesion (an even map: {first.chance_hit_rate:.3f}). Energy: how much of the map lies on it (an even map: "
        f"{first.chance_energy:.3f}). Lost, gained and change are against {first.reference}. The Keras model has "
        "no map. A map is of the likelier class, whichever that is."
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
