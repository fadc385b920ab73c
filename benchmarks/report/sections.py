"""The sections of the page that are about answers: verdicts, operating points, sources, heat maps."""

from __future__ import annotations

from cxr_edge.benchmarks.report import drift_plots, marks
from cxr_edge.benchmarks.result import phrases
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchResult
from cxr_edge.benchmarks.result.drift_result import DriftReport, SourceReport, Typicality
from cxr_edge.metrics.intervals import Interval
from cxr_edge.report.html import figure, note, section
from cxr_edge.report.svg import element, text

__all__ = ["show_drift", "show_localisation", "show_operating_points", "show_sources"]

_DRIFT_HEADS = ("Artifact", "MB", "AUC [95 %]", "Change of AUC [95 %]", "Verdict", "Flips", "Spoiled / corrected",
                "McNemar p", "Largest change", "Mean change")  # fmt: skip


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
    films = len(result.data.films)
    return section(
        "Drift: may an artifact stand in for the reference?",
        note(explanation),
        element(
            "div",
            figure("Change of AUC, 95 % interval, and the margin", drift_plots.draw_changes(result)),
            element("ul", *reasons, class_="reasons"),
            class_="plots",
        ),
        marks.table(_DRIFT_HEADS, [(row, _drift_cells(row, films)) for row in result.artifacts]),
        _failures(result),
    )


def show_operating_points(result: BenchResult) -> str:
    """Return sensitivity and specificity at the old and the refitted threshold, and the calibration."""
    rows = [(row, row.drift) for row in result.artifacts if row.drift is not None]
    if not rows:
        return ""
    fitted, at = rows[0][1].transfer.fitted_on, result.options.specificity
    flatters = " These are the measured films themselves, so the refitted rates flatter." * (
        fitted == result.data.split
    )
    points = (
        f"Old: at the bundle's threshold {result.model.threshold:.3f}, which was chosen on the float model. Refitted: "
        f"at a threshold chosen for each artifact, with the largest sensitivity + specificity on the split {fitted}."
        f"{flatters} Where only the refitted rates are those of the reference, the artifact needs a threshold of its "
        "own."
    )
    calibration = (
        "ECE is the calibration error in 10 bins of equal mass, Brier the mean squared error of the probability. "
        "Distinct scores and tied pairs, a positive and a negative film of one score, tell how coarse the scores are. "
        "Untypical films are over the limit of typicality, otherwise those that the float artifact judges otherwise. "
        "Intervals of sensitivities and of ECE are bootstrapped within the classes."
    )
    point_heads = ("Artifact", "Old sens / spec", "Refitted sens / spec", "Refitted threshold",
                   f"Sens at spec {at:g} [95 %]", "Its change [95 %]")  # fmt: skip
    calibration_heads = ("Artifact", "ECE", "Change [95 %]", "Brier", "Change [95 %]", "Distinct scores", "Tied pairs",
                         "Untypical films")  # fmt: skip
    return section(
        "Operating points and calibration",
        note(points),
        marks.table(point_heads, [(row, _point_cells(drift)) for row, drift in rows]),
        note(calibration),
        marks.table(calibration_heads, [(row, _calibration_cells(drift)) for row, drift in rows]),
    )


def show_sources(result: BenchResult) -> str:
    """Return AUC, flips and rates within each source, so that a shortcut shows; empty for films of one source."""
    rows = [(row, row.drift) for row in result.artifacts if row.drift is not None]
    if not rows or len(rows[0][1].sources) < 2:
        return ""
    sources = rows[0][1].sources
    heads = [f"{name} ({part.positive_films} + {part.negative_films} films)" for name, part in sources.items()]
    shortcut = phrases.describe_shortcut(result)
    body = [
        (row, [text(phrases.format_interval(drift.auc)), *map(_source_cell, drift.sources.values())])
        for row, drift in rows
    ]
    return section(
        "By source",
        note(
            "Among the films of one source no difference between sources can raise an AUC; where a source holds one "
            "class only, it has a sensitivity or a specificity instead. Changes of AUC and flips are against the "
            "reference."
        ),
        element("p", text(f"Mind: {shortcut}."), class_="mind") if shortcut else "",
        marks.table(("Artifact", "All films: AUC", *heads), body),
    )


def show_localisation(result: BenchResult) -> str:
    """Return how well heat maps lie on the lesions; empty where no masks are."""
    rows = [
        (row, found)
        for row in result.artifacts
        if row.drift is not None and (found := row.drift.localisation) is not None
    ]
    if not rows:
        return ""
    first = rows[0][1]
    explanation = (
        f"On the {first.films} positive films with a lesion mask. Hit rate: the hottest of the 49 cells meets the "
        f"lesion (an even map: {first.chance_hit_rate:.3f}). Energy: how much of the map lies on it (an even map: "
        f"{first.chance_energy:.3f}). Lost, gained and change are against {first.reference}. The Keras model has "
        "no map. A map is of the likelier class, whichever that is."
    )
    heads = ("Artifact", "Hit rate [95 %]", "Hits lost / gained", "Energy", "Change of energy [95 %]")
    body = [
        (
            row,
            [
                phrases.format_interval(found.hit_rate),
                "reference" if found.hits_lost is None else f"{found.hits_lost} / {found.hits_gained}",
                f"{found.energy:.3f}",
                _optional(found.energy_change),
            ],
        )
        for row, found in rows
    ]
    return section("Heat maps on the lesions", note(explanation), marks.table(heads, body))


def _drift_cells(row: ArtifactResult, films: int) -> list[str]:
    size, drift = phrases.format_number(row.size_bytes / 1e6), row.drift
    if drift is None:
        return [size, "failed", *[""] * 7]
    change = drift.change
    if change is None:
        return [size, phrases.format_interval(drift.auc), "reference", *[""] * 6]
    flips = change.flips
    return [
        size,
        phrases.format_interval(drift.auc),
        phrases.format_interval(change.auc, sign="+"),
        marks.badge(change.verdict.outcome),
        f"{flips.count}/{films}",
        f"{flips.spoiled} / {flips.corrected}",
        text(phrases.format_p(flips.p_correct).removeprefix("p ")),
        f"{change.largest:.4f}",
        f"{change.mean:.4f}",
    ]


def _point_cells(drift: DriftReport) -> list[str]:
    change, anew = drift.change, drift.transfer
    return [
        f"{drift.sensitivity:.3f} / {drift.specificity:.3f}",
        f"{anew.sensitivity:.3f} / {anew.specificity:.3f}",
        f"{anew.threshold:.3f}",
        phrases.format_interval(drift.sensitivity_at),
        _optional(None if change is None else change.sensitivity_at),
    ]


def _calibration_cells(drift: DriftReport) -> list[str]:
    change = drift.change
    return [
        f"{drift.calibration_error:.3f}",
        _optional(None if change is None else change.calibration_error),
        f"{drift.brier:.3f}",
        _optional(None if change is None else change.brier),
        str(drift.distinct_scores),
        f"{drift.tied_pairs:.2%}",
        _describe_typicality(drift.typicality),
    ]


def _describe_typicality(found: Typicality | None) -> str:
    if found is None:
        return ""
    return f"{found.untypical}" if found.flips is None else f"{found.untypical}, {found.flips} otherwise"


def _optional(value: Interval | None) -> str:
    return "" if value is None else phrases.format_interval(value, sign="+")


def _source_cell(part: SourceReport) -> str:
    found = []
    if part.auc is not None:
        found.append(phrases.format_interval(part.auc))
        if part.change is not None:
            found.append(f"change {phrases.format_interval(part.change, sign='+')}")
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
