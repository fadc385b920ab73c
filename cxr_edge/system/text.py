"""Text made safe for where it goes: a terminal, a CSV cell, one line of an error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["csv_cell", "csv_record", "first_line", "printable"]

# What a spreadsheet takes for a formula when a cell begins with it.
_FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r", "\n")


def first_line(error: Exception) -> str:
    """Return the first line of a library's error text, for use inside one of ours."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def printable(text: str) -> str:
    """Return the text without what could move a terminal's cursor or cannot be encoded."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def csv_record(cells: Iterable[str]) -> str:
    """Return one RFC 4180 record with its line end."""
    # Imported here: the table, which one film on the command line gets, has no use for them.
    import csv
    import io

    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def csv_cell(value: Any) -> str:
    """Return a value as the text of a cell; one that a spreadsheet would run as a formula gets a leading '."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return str(value)
    # A file name may hold bytes that are no UTF-8, which Python keeps as lone surrogates.
    text = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return f"'{text}" if text.startswith(_FORMULA_MARKS) else text
