"""The ROC curve as SVG and by matplotlib: both draw the points of metrics.roc.roc_curve and the operating point."""

from __future__ import annotations

import dataclasses

import numpy as np
from matplotlib.figure import Figure

from cxr_edge.metrics import roc
from cxr_edge.report import roc_figure, roc_svg
from cxr_edge.report.roc_svg import RocCurve
from tests.support.scores import draw

SCORES, _, POSITIVE = draw(0)
CURVE = RocCurve(
    "a.tflite",
    SCORES,
    roc.auc_interval(SCORES, POSITIVE),
    sensitivity=0.75,
    specificity=0.5,
    band=False,
    style="int8",
    mark=lambda x, y, size: f"<mark>{x:.0f} {y:.0f}</mark>",
)


def test_svg_names_the_curve_its_auc_and_its_operating_point() -> None:
    drawn = roc_svg.draw([CURVE], POSITIVE, "ROC")

    assert f"a.tflite: AUC {CURVE.auc}" in drawn
    assert "a.tflite at the threshold: sensitivity 0.7" in drawn
    assert drawn.count("<mark>") == 1


def test_svg_draws_a_band_only_where_one_is_wanted() -> None:
    assert "<polygon" not in roc_svg.draw([CURVE], POSITIVE, "ROC")
    assert "<polygon" in roc_svg.draw([dataclasses.replace(CURVE, band=True)], POSITIVE, "ROC")


def test_figure_draws_the_points_of_the_curve_and_the_operating_point() -> None:
    axes = Figure().subplots()
    roc_figure.prepare(axes)
    roc_figure.draw_curve(axes, SCORES, POSITIVE, label="a", point=(0.75, 0.5))
    chance, curve, point = axes.lines
    false, true, _ = roc.roc_curve(SCORES, POSITIVE)

    assert np.array_equal(curve.get_xydata(), np.column_stack([false, true]))
    assert np.array_equal(point.get_xydata(), [[0.5, 0.75]])
    assert chance.get_label() != curve.get_label() == "a"


def test_figure_draws_a_band_only_where_one_is_wanted() -> None:
    axes = Figure().subplots()
    roc_figure.draw_curve(axes, SCORES, POSITIVE, label="a", point=(0.75, 0.5), band=True)

    assert len(axes.collections) == 1
