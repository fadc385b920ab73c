"""Axes and escaped elements."""

from __future__ import annotations

import pytest

from cxr_edge.report.svg import decimal_axis, element, log_axis


def test_element_escapes_attribute_values() -> None:
    assert element("g", class_='a"b<', stroke_width=1.50) == '<g class="a&quot;b&lt;" stroke-width="1.5"></g>'


@pytest.mark.parametrize(("low", "high"), [(0.5, 1.0), (0.97, 0.99), (0.8, 0.8), (-1, 1)])
def test_decimal_axis_holds_its_values_between_two_ticks(low: float, high: float) -> None:
    axis = decimal_axis(low, high, 100, 0)
    assert axis.ticks[0] <= low + 1e-9
    assert axis.ticks[-1] >= high - 1e-9
    assert 2 <= len(axis.ticks) <= 8


@pytest.mark.parametrize(("low", "high"), [(5, 5), (3, 10), (0.1, 900), (20, 250), (9.8, 10.1), (1e-3, 1e5)])
def test_log_axis_has_a_few_ticks_inside(low: float, high: float) -> None:
    axis = log_axis(low, high, 0, 100)
    assert 1 <= len(axis.ticks) <= 9
    assert all(0 <= axis.place(tick) <= 100 for tick in (low, high, *axis.ticks))


def test_log_axis_places_the_geometric_mean_in_the_middle() -> None:
    assert log_axis(1, 100, 0, 200).place(10) == pytest.approx(100)
