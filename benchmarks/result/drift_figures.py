"""The figures of an artifact's predictions, each declared once, and the tables in which every form shows them."""

from __future__ import annotations

from dataclasses import replace

from cxr_edge.benchmarks.result import phrases
from cxr_edge.benchmarks.result.drift_result import Flips, Transfer, Typicality, Verdict
from cxr_edge.benchmarks.result.figures import Column, Figure, Kind, Table, as_page_table, as_table
from cxr_edge.benchmarks.result.predictions_source import (
    Predictions,
    count_flips,
    find_gap,
    of_change,
    of_drift,
    say_failed,
    say_reference,
)
from cxr_edge.metrics.intervals import Interval

__all__ = [
    "CSV",
    "JUNIT",
    "MARKDOWN",
    "PAGE",
    "PAGE_CALIBRATION",
    "PAGE_ELSEWHERE",
    "PAGE_POINTS",
    "PAGE_SUMMARY",
    "TERMINAL",
    "TERMINAL_DETAILS",
    "TERMINAL_SUMMARY",
]

SIZE = Figure[Predictions, float](
    "",
    unit="MB",
    meaning="Size of the file, in 1,000,000 bytes",
    read=lambda source: source.row.size_bytes / 1e6,
    show=phrases.format_number,
)
AUC = Figure[Predictions, Interval](
    "AUC",
    meaning="Area under the ROC curve, ties counting half, with DeLong's interval",
    read=of_drift(lambda drift: drift.auc),
    show=phrases.format_interval,
    blank=say_failed,
    csv=("auc", "auc_low", "auc_high"),
    interval=True,
)
ACCURACY = Figure[Predictions, float](
    "accuracy",
    meaning="Part of the images that are predicted correctly at the bundle's threshold",
    read=of_drift(lambda drift: drift.accuracy),
    show="{:.3f}".format,
    csv=("accuracy",),
)
RATES = Figure[Predictions, tuple[float, float]](
    "sens / spec",
    meaning="Sensitivity and specificity at the bundle's threshold",
    read=of_drift(lambda drift: (drift.sensitivity, drift.specificity)),
    show=phrases.format_rates,
    csv=("sensitivity", "specificity"),
)
SENSITIVITY_AT = Figure[Predictions, Interval](
    "sens at spec {options.specificity:g}",
    meaning="Sensitivity at the lowest threshold with at least this specificity",
    read=of_drift(lambda drift: drift.sensitivity_at),
    show=phrases.format_interval,
    csv=("sensitivity_at", "sensitivity_at_low", "sensitivity_at_high"),
    interval=True,
)
SENSITIVITY_AT_CHANGE = Figure[Predictions, Interval](
    "its change",
    meaning="Change of the sensitivity at this specificity from the reference's, with a paired bootstrap interval",
    read=of_change(lambda change: change.sensitivity_at),
    show=phrases.format_change,
    interval=True,
)
CALIBRATION_ERROR = Figure[Predictions, float](
    "ECE",
    meaning="Calibration error in 10 bins of equal size",
    read=of_drift(lambda drift: drift.calibration_error),
    show="{:.3f}".format,
    csv=("calibration_error",),
)
CALIBRATION_ERROR_CHANGE = Figure[Predictions, Interval](
    "change",
    meaning="Change of the calibration error from the reference's, with a paired bootstrap interval",
    read=of_change(lambda change: change.calibration_error),
    show=phrases.format_change,
    interval=True,
)
BRIER = Figure[Predictions, float](
    "Brier",
    meaning="Mean squared error of the probability",
    read=of_drift(lambda drift: drift.brier),
    show="{:.3f}".format,
    csv=("brier",),
)
BRIER_CHANGE = Figure[Predictions, Interval](
    "change",
    meaning="Change of the Brier score from the reference's, with the interval of a paired mean",
    read=of_change(lambda change: change.brier),
    show=phrases.format_change,
    interval=True,
)
DISTINCT_SCORES = Figure[Predictions, int](
    "distinct scores",
    meaning="How many different probabilities there are",
    read=of_drift(lambda drift: drift.distinct_scores),
    show=str,
    csv=("distinct_scores",),
)
TIED_PAIRS = Figure[Predictions, float](
    "tied pairs",
    meaning="Part of the pairs of a positive and a negative image that have the same probability",
    read=of_drift(lambda drift: drift.tied_pairs),
    show="{:.2%}".format,
    csv=("tied_pairs",),
)
REFITTED_THRESHOLD = Figure[Predictions, float](
    "refitted threshold",
    meaning="Threshold chosen for this artifact by Youden's index",
    read=of_drift(lambda drift: drift.transfer.threshold),
    show="{:.3f}".format,
    csv=("refitted_threshold",),
)
REFITTED_RATES = Figure[Predictions, tuple[float, float]](
    "refitted sens / spec",
    meaning="Sensitivity and specificity at the refitted threshold",
    read=of_drift(lambda drift: (drift.transfer.sensitivity, drift.transfer.specificity)),
    show=phrases.format_rates,
    csv=("refitted_sensitivity", "refitted_specificity"),
)
AUC_CHANGE = Figure[Predictions, Interval](
    "change of AUC",
    meaning="AUC minus the reference's on the same images, with the paired DeLong interval",
    read=of_change(lambda change: change.auc),
    show=phrases.format_change,
    blank=say_reference,
    csv=("auc_change", "auc_change_low", "auc_change_high"),
    interval=True,
)
VERDICT = Figure[Predictions, Verdict](
    "verdict",
    meaning="Whether a loss of AUC as large as the margin is ruled out",
    read=of_change(lambda change: change.verdict),
    show=lambda verdict: verdict.outcome,
    csv=("verdict", "images_needed"),
    split=lambda verdict: (verdict.outcome, verdict.images_needed),
    kind=Kind.VERDICT,
)
FLIPS = Figure[Predictions, tuple[int, int]](
    "flips",
    meaning="Images whose label differs from the reference's at the bundle's threshold, of all images",
    read=count_flips,
    show=lambda count: f"{count[0]}/{count[1]}",
    csv=("flips",),
    split=lambda count: count[:1],
)
CORRECTIONS = Figure[Predictions, Flips](
    "regressions / fixes",
    meaning="Flips from right to wrong, and flips from wrong to right",
    read=of_change(lambda change: change.flips),
    show=lambda flips: f"{flips.spoiled} / {flips.corrected}",
    csv=("spoiled", "corrected", "p_correct"),
    split=lambda flips: (flips.spoiled, flips.corrected, flips.p_correct),
)
P_CORRECT = Figure[Predictions, float](
    "McNemar p",
    meaning="Exact two-sided test: are regressions and fixes equally frequent",
    read=of_change(lambda change: change.flips.p_correct),
    show=lambda p: phrases.format_p(p).removeprefix("p "),
)
DIRECTIONS = Figure[Predictions, Flips](
    "to positive / to negative",
    meaning="Flips by direction, and McNemar's p: are both directions equally frequent",
    read=of_change(lambda change: change.flips),
    show=lambda flips: f"{flips.to_positive} / {flips.to_negative} ({phrases.format_p(flips.p_calls)})",
    csv=("to_positive", "to_negative", "p_calls"),
    split=lambda flips: (flips.to_positive, flips.to_negative, flips.p_calls),
)
LARGEST_CHANGE = Figure[Predictions, float](
    "largest change",
    meaning="Largest absolute change of the probability of the positive class",
    read=of_change(lambda change: change.largest),
    show="{:.4f}".format,
    csv=("largest_change",),
)
MEAN_CHANGE = Figure[Predictions, float](
    "mean change",
    meaning="Mean absolute change of the probability of the positive class",
    read=of_change(lambda change: change.mean),
    show="{:.4f}".format,
    csv=("mean_change",),
)
GAP = Figure[Predictions, float](
    "difference from the same file here",
    meaning="Largest difference of a probability from the same file's on this machine",
    read=find_gap,
    show="{:.2g}".format,
)
UNTYPICAL = Figure[Predictions, Typicality](
    "unusual images",
    meaning="Images over the out-of-distribution limit, and those for which the float artifact says the opposite",
    read=lambda source: None if source.drift is None else source.drift.typicality,
    show=phrases.describe_typicality,
)

REFITTED_POINT = Figure[Predictions, Transfer](
    "refitted point",
    meaning="Sensitivity and specificity at the refitted threshold, and this threshold",
    read=of_drift(lambda drift: drift.transfer),
    show=lambda point: f"{point.sensitivity:.3f} / {point.specificity:.3f} at {point.threshold:.3f}",
)

TERMINAL_SUMMARY: Table[Predictions] = (
    Column(SIZE, "MB", 4, ">"),
    Column(replace(AUC, show=lambda auc: f"{auc.value:.3f}"), "AUC", 6, ">"),
    Column(AUC_CHANGE, "change of AUC [95 %]", 23),
    Column(FLIPS, "flips", 9, ">"),
)
TERMINAL: Table[Predictions] = (
    Column(SIZE, "MB", 5, ">"),
    Column(AUC, "AUC [95 %]", 20),
    Column(AUC_CHANGE, "change of AUC [95 %]", 23),
    Column(FLIPS, "flips", 9, ">"),
    Column(VERDICT, "verdict", 17),
)
TERMINAL_DETAILS: Table[Predictions] = (
    Column(RATES, "sens / spec", 13),
    Column(REFITTED_POINT, "refitted sens / spec", 24),
    Column(replace(SENSITIVITY_AT_CHANGE, blank=say_reference), "change of sens at spec", 23),
    Column(CALIBRATION_ERROR, "ECE", 5, ">"),
    Column(BRIER, "Brier", 5, ">"),
    Column(LARGEST_CHANGE, "max|dp|", 7, ">"),
    Column(DISTINCT_SCORES, "scores", 8, ">"),
)
MARKDOWN: Table[Predictions] = as_table((SIZE, AUC, AUC_CHANGE, FLIPS, VERDICT, RATES, CALIBRATION_ERROR, BRIER))
PAGE_SUMMARY: Table[Predictions] = as_page_table((VERDICT, SIZE, AUC, AUC_CHANGE, FLIPS))
PAGE: Table[Predictions] = as_page_table(
    (SIZE, AUC, AUC_CHANGE, VERDICT, FLIPS, CORRECTIONS, P_CORRECT, LARGEST_CHANGE, MEAN_CHANGE)
)
PAGE_ELSEWHERE: Table[Predictions] = as_page_table((AUC, AUC_CHANGE, VERDICT, FLIPS, LARGEST_CHANGE, MEAN_CHANGE, GAP))
PAGE_POINTS: Table[Predictions] = (
    Column(RATES, "Old sens / spec"),
    *as_page_table((REFITTED_RATES, REFITTED_THRESHOLD, SENSITIVITY_AT, SENSITIVITY_AT_CHANGE)),
)
PAGE_CALIBRATION: Table[Predictions] = as_page_table(
    (CALIBRATION_ERROR, CALIBRATION_ERROR_CHANGE, BRIER, BRIER_CHANGE, DISTINCT_SCORES, TIED_PAIRS, UNTYPICAL)
)
# Verdict and budget are cases of their own; no other figure is a property of JUnit so far.
JUNIT: Table[Predictions] = ()
CSV: Table[Predictions] = (
    *as_table((AUC, ACCURACY, RATES, SENSITIVITY_AT, CALIBRATION_ERROR, BRIER, DISTINCT_SCORES, TIED_PAIRS)),
    *as_table((REFITTED_THRESHOLD, REFITTED_RATES)),
    *as_table((AUC_CHANGE, VERDICT, FLIPS, CORRECTIONS, DIRECTIONS, LARGEST_CHANGE, MEAN_CHANGE)),
)
