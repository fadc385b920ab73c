"""Predictions as rows: a table for people, JSON lines and CSV for machines.

Every form is a stream of text with its line ends, written as it comes, and carries the research-only note.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from cxr_edge.inference.classify import Prediction
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.system.text import csv_cell, csv_record, printable

__all__ = ["ANSWER_COLUMNS", "FORMATS", "format_csv", "format_json", "format_table", "to_json"]

ANSWER_COLUMNS = (
    "label",
    "positive",
    "probability",
    "threshold",
    "typicality",
    "untypical",
    "decode_ms",
    "inference_ms",
    "warnings",
    "error",
)
"""The columns of every CSV that say what a model answers for an image."""

_CSV_COLUMNS = ("path", *ANSWER_COLUMNS, "research_only")


def format_table(predictions: Iterable[Prediction]) -> Iterator[str]:
    """Yield lines for people: a head, a row a film as soon as it is there, and the research-only note."""
    first = True
    for prediction in predictions:
        if first:
            yield _row(f"P({prediction.positive})", "threshold", "label", "decode", "run", "film")
            first = False
        yield _table_row(prediction)
    yield RESEARCH_ONLY + "\n"


def format_json(predictions: Iterable[Prediction]) -> Iterator[str]:
    """Yield a line of JSON a film."""
    return (to_json(prediction) + "\n" for prediction in predictions)


def format_csv(predictions: Iterable[Prediction], *, header: bool = True) -> Iterator[str]:
    """Yield RFC 4180 records, the header first. A text that a spreadsheet would run as a formula gets a leading '."""
    if header:
        yield csv_record(_CSV_COLUMNS)
    for prediction in predictions:
        facts = _facts(prediction) | {"warnings": "; ".join(prediction.warnings)}
        yield csv_record([csv_cell(facts[column]) for column in _CSV_COLUMNS])


FORMATS: Mapping[str, Callable[[Iterable[Prediction]], Iterator[str]]] = {
    "table": format_table,
    "json": format_json,
    "csv": format_csv,
}


def to_json(prediction: Prediction) -> str:
    """Return the prediction, but for its heat map, as one line of ASCII JSON without a line end."""
    return json.dumps(_facts(prediction), allow_nan=False)


def _facts(prediction: Prediction) -> dict[str, Any]:
    """Return the fields in the order of the JSON object, rounded to what they mean."""
    return {
        "path": str(prediction.path),
        "label": prediction.label,
        "positive": prediction.positive,
        "probability": _rounded(prediction.probability, 6),
        "threshold": _rounded(prediction.threshold, 6),
        "probabilities": {label: round(value, 6) for label, value in prediction.probabilities.items()},
        "typicality": _rounded(prediction.typicality, 3),
        "untypical": prediction.untypical,
        "decode_ms": _rounded(prediction.decode_ms, 2),
        "inference_ms": _rounded(prediction.inference_ms, 2),
        "warnings": list(prediction.warnings),
        "error": prediction.error,
        "research_only": RESEARCH_ONLY,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _table_row(prediction: Prediction) -> str:
    film = printable(str(prediction.path))
    if prediction.error is not None:
        fact = prediction.error.removeprefix(f"{prediction.path}: ")
        return _row("-", "-", "error", "-", "-", f"{film}: {printable(fact)}")
    notes = [*(["unlike the training films"] if prediction.untypical else []), *prediction.warnings]
    return _row(
        f"{prediction.probability:.3f}",
        f"{prediction.threshold:.3f}",
        printable(str(prediction.label)),
        f"{prediction.decode_ms:.0f} ms",
        f"{prediction.inference_ms:.0f} ms",
        film + (f" ({'; '.join(notes)})" if notes else ""),
    )


def _row(probability: str, threshold: str, label: str, decode: str, run: str, film: str) -> str:
    # The film comes last: its length is free, and no row waits for the longest name.
    return f"{probability:>8}  {threshold:>9}  {label:<10}  {decode:>7}  {run:>7}  {film}\n"
