"""Predictions at a threshold, counted, and the precision in which a score is compared with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cxr_edge.errors import DataError
from cxr_edge.metrics.confusion import Confusion, confuse, is_positive
from cxr_edge.metrics.operating_point import youden_threshold


def test_confuse_calls_a_score_at_the_threshold_positive() -> None:
    scores, positive = np.array([0.5, 0.4, 0.5, 0.9]), np.array([True, True, False, False])

    assert confuse(scores, positive, 0.5) == Confusion(1, 2, 0, 1)


def test_confuse_gives_the_rates_of_its_counts() -> None:
    found = Confusion(true_positive=30, false_positive=10, true_negative=40, false_negative=20)

    assert (found.sensitivity, found.specificity, found.accuracy) == (0.6, 0.8, 0.7)


def test_confuse_tells_float32_scores_apart_that_have_none_between_them() -> None:
    low = np.float32(0.5)
    scores = np.array([low, np.nextafter(low, np.float32(1))])
    positive = np.array([False, True])

    assert confuse(scores, positive, youden_threshold(scores, positive)) == Confusion(1, 0, 1, 0)


def test_confuse_refuses_nan_which_would_pass_for_a_negative() -> None:
    with pytest.raises(DataError, match="NaN"):
        confuse(np.array([0.1, np.nan]), np.array([True, False]), 0.5)


def test_is_positive_compares_float32_scores_as_the_python_floats_they_are() -> None:
    score = np.float32(0.1)
    threshold = float(np.nextafter(float(score), 1.0))
    scores = np.array([score, np.nextafter(score, np.float32(1))])

    # numpy rounds the threshold to float32, where it is the score itself.
    assert (scores >= threshold).tolist() == [True, True]
    assert is_positive(scores, threshold).tolist() == [False, True]
    assert [bool(is_positive(float(one), threshold)) for one in scores] == [False, True]


def test_is_positive_is_true_at_the_threshold() -> None:
    assert is_positive(np.array([0.4, 0.5, 0.6]), 0.5).tolist() == [False, True, True]


def _ordering_against_a_threshold(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that order something by a threshold, other than numbers by which the threshold is checked."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE)):
            continue
        sides = [node.left, *node.comparators]
        named = [side for side in sides if ast.unparse(side).split(".")[-1] in ("threshold", "bar")]
        if named and not any(isinstance(side, ast.Constant) for side in sides):
            yield node.lineno


def test_every_comparison_of_a_score_with_a_threshold_is_is_positive() -> None:
    root = Path(__file__).parents[3]
    found = [
        f"{path.relative_to(root)}:{line}"
        for folder in ("cxr_edge", "export", "benchmarks")
        for path in sorted((root / folder).rglob("*.py"))
        for line in _ordering_against_a_threshold(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert [place.rpartition(":")[0] for place in found] == ["cxr_edge/metrics/confusion.py"]
