"""The line that train ends with: which split, and which AUC over which images."""

from __future__ import annotations

from typing import Any

import pytest

from cxr_edge.bundles.manifest import Manifest
from cxr_edge.contract import InputContract
from cxr_edge.training.outcome.card import headline


def figures(auc: float, positive: int, negative: int, **within: dict[str, Any]) -> dict[str, Any]:
    counts = {"positive_films": positive, "negative_films": negative}
    return {"auc": auc, "accuracy": 0.9, "within_source": within} | counts


def manifest(**metrics: dict[str, Any]) -> Manifest:
    return Manifest("mine", "none", ("covid", "noncovid"), "covid", 0.5, InputContract(), {}, metrics=metrics)


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (
            {"val": figures(0.5, 2, 2), "test": figures(0.975, 60, 90, a=figures(0.862, 29, 8))},
            "test: AUC within source a 0.862 (37 images), AUC over all sources 0.975 (150 images), accuracy 0.900",
        ),
        (
            {"val": figures(0.8, 10, 12, only=figures(0.8, 10, 12))},
            "val: AUC within source only 0.800 (22 images), accuracy 0.900",
        ),
        (
            {"val": figures(0.99, 10, 12)},
            "val: AUC over all sources 0.990 (22 images), no source has both classes, so this AUC may measure the "
            "source, accuracy 0.900",
        ),
    ],
)
def test_headline_names_split_and_kind_of_auc(shown: dict[str, Any], line: str) -> None:
    assert headline(manifest(**shown)) == line
