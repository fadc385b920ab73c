"""How a figure is declared, and how it becomes a column of a table.

A figure is declared once, in `drift_figures` or `timing_figures`: what it is called, in which unit, how it is read,
formatted and explained. The tables of those modules say which figures every form of the report shows, in which order.
So a new figure touches one file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from cxr_edge.metrics.intervals import Interval

__all__ = ["Column", "Figure", "Kind", "Table", "as_page_table", "as_table", "cells", "titles"]

Source = TypeVar("Source")
Value = TypeVar("Value")


class Kind(Enum):
    """The kind of text of a figure, which decides its look on the page."""

    NUMBER = "number"
    VERDICT = "verdict"
    WORDS = "words"


def _nothing(source: Any) -> str:
    return ""


def _split(value: Any) -> Sequence[object]:
    if isinstance(value, Interval):
        return value.value, value.low, value.high
    return value if isinstance(value, tuple) else (value,)


@dataclass(frozen=True)
class Figure(Generic[Source, Value]):
    """A figure of `Source`: an artifact's predictions on a device, its latency there, an estimate, or its heat maps.

    `read` returns the value, or None if it is unknown. `show` returns the value as text, `blank` the text for an
    unknown value. `title` and `unit` head its column; with `interval` the head says that 95 % limits follow the value.
    `meaning` explains the figure in a sentence. `csv` names the CSV columns that the value fills, and `split` returns
    their contents. By default an interval fills three columns (value, lower and upper limit), a tuple one for each
    item, and any other value one.
    """

    title: str
    meaning: str
    read: Callable[[Source], Value | None]
    show: Callable[[Value], str]
    blank: Callable[[Source], str] = _nothing
    unit: str = ""
    csv: tuple[str, ...] = ()
    split: Callable[[Value], Sequence[object]] = _split
    kind: Kind = Kind.NUMBER
    interval: bool = False

    @property
    def head(self) -> str:
        """The head of a column: title, unit and whether limits follow."""
        parts = (self.title, self.unit, "[95 %]" if self.interval else "")
        return " ".join(part for part in parts if part)

    def text(self, source: Source) -> str:
        """Return the figure as text."""
        value = self.read(source)
        return self.blank(source) if value is None else self.show(value)

    def fields(self, source: Source) -> dict[str, object]:
        """Return the value by the names of its CSV columns; empty if it is unknown."""
        value = self.read(source)
        return {} if value is None else dict(zip(self.csv, self.split(value), strict=True))


@dataclass(frozen=True)
class Column(Generic[Source]):
    """A figure in a table under a title; `width` and `align` (`<` or `>`) apply to a table of the terminal."""

    figure: Figure[Source, Any]
    title: str
    width: int = 0
    align: str = "<"

    def text(self, source: Source) -> str:
        """Return the cell of `source`."""
        return self.figure.text(source)


Table = tuple[Column[Source], ...]


def cells(table: Table[Source], source: Source) -> list[str]:
    """Return the texts of all columns of `table`."""
    return [column.text(source) for column in table]


def titles(table: Table[Source]) -> list[str]:
    """Return the titles of all columns of `table`."""
    return [column.title for column in table]


def as_table(figures: Sequence[Figure[Source, Any]]) -> Table[Source]:
    """Return the figures as columns under their own heads."""
    return tuple(Column(figure, figure.head) for figure in figures)


def as_page_table(figures: Sequence[Figure[Source, Any]]) -> Table[Source]:
    """Return the figures as columns of the page, whose titles start with a capital letter."""
    columns = as_table(figures)
    return tuple(dataclasses.replace(column, title=_capitalise(column.title)) for column in columns)


def _capitalise(title: str) -> str:
    # p50, p90 and p99 are written as such wherever they stand.
    return title if title[:1] == "p" and title[1:2].isdigit() else title[:1].upper() + title[1:]
