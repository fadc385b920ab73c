"""Plain text for a terminal: tables with aligned columns, and paragraphs that wrap."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TypeVar

from cxr_edge.benchmarks.result import phrases
from cxr_edge.benchmarks.result.figures import Table

__all__ = ["NAME", "Columns", "columns_of", "cut", "head", "lay_out", "list_notices", "shorten_name", "wrap"]

Source = TypeVar("Source")
Columns = Sequence[tuple[str, int, str]]
"""Title, width and alignment of each column."""

_NOTICES = 3

NAME = ("artifact", 20, "<")
"""The column of the artifacts' names."""


def columns_of(table: Table[Source]) -> Columns:
    """Return title, width and alignment of each column of `table`."""
    return [(column.title, column.width, column.align) for column in table]


def lay_out(columns: Columns, cells: Sequence[str]) -> str:
    """Return one line of a table; the first cell is cut in its middle where it is too long."""
    named = (shorten_name(cells[0], columns[0][1]), *cells[1:])
    padded = (f"{cell:{align}{width}}" for cell, (_, width, align) in zip(named, columns, strict=True))
    return "  ".join(padded).rstrip()


def head(columns: Columns) -> Iterator[str]:
    """Yield the titles of a table and the rule below them."""
    yield lay_out(columns, [title for title, _, _ in columns])
    yield lay_out(columns, ["-" * width for _, width, _ in columns])


def shorten_name(name: str, width: int) -> str:
    """Return a name without control characters, cut in its middle where it is longer than `width`."""
    name = phrases.clean(name)
    return name if len(name) <= width else f"{name[: width // 2 - 1]}...{name[-(width - width // 2 - 2) :]}"


def cut(line: str, width: int) -> str:
    """Return a line without control characters, cut at its end where it is longer than `width`."""
    line = phrases.clean(line)
    return line if len(line) <= width else f"{line[: width - 3].rstrip()}..."


def wrap(paragraph: str, width: int, *, indent: str = "") -> list[str]:
    """Return a paragraph in lines of at most `width`; every line but the first is indented by two more."""
    return textwrap.wrap(phrases.clean(paragraph), width, initial_indent=indent, subsequent_indent=indent + "  ")


def list_notices(notices: Sequence[str]) -> list[str]:
    """Return the first sentence of up to three warnings, and how many more there are."""
    lines = [f"warning: {phrases.headline(text)}" for text in notices[:_NOTICES]]
    more = len(notices) - _NOTICES
    if more > 0:
        lines.append(f"and {more} more warning{'s' * (more > 1)}: --verbose")
    return lines
