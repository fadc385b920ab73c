"""The figures of a set of images, in all and within each source."""

from __future__ import annotations

import numpy as np

from cxr_edge.metrics.summary import summarise


def test_summarise_gives_figures_within_sources_that_hold_both_classes() -> None:
    scores = np.array([0.9, 0.8, 0.3, 0.2, 0.6, 0.7])
    positive = np.array([True, True, False, False, True, True])
    found = summarise(scores, positive, ["a", "a", "a", "a", "b", "b"], 0.65).to_json()

    assert list(found["within_source"]) == ["a"]
    assert (found["auc"], found["within_source"]["a"]["auc"]) == (1.0, 1.0)
    assert (found["sensitivity"], found["specificity"], found["threshold"]) == (0.75, 1.0, 0.65)
    assert (found["positive_films"], found["negative_films"]) == (4, 2)


def test_summary_leaves_the_sources_out_where_they_are_not_wanted() -> None:
    found = summarise(np.array([0.9, 0.8, 0.3, 0.2]), np.array([True, True, False, False]), (), 0.5)

    assert "within_source" not in found.to_json(sources=False)
    assert found.within_source_to_json() == {}
