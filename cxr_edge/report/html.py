"""Pieces that every HTML report is made of: the document, sections, paragraphs, figures, tables. No script anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from cxr_edge.report.svg import element, text

__all__ = ["document", "figure", "lay_out", "note", "section"]

# A browser then refuses whatever a name in the data might still smuggle in.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def document(title: str, body: str, *, style: str = "") -> str:
    """Return a whole page that loads nothing; `body` is markup, `style` CSS beside that of all our pages."""
    ours = resources.files("cxr_edge.report").joinpath("report.css").read_text(encoding="utf-8")
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{ours}{style}</style>"
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{body}\n</main></body></html>\n'


def section(title: str, *parts: str) -> str:
    """Return a card of the page under a heading; `parts` are markup."""
    return element("section", element("h2", text(title)), *parts)


def note(content: str) -> str:
    """Return a paragraph of explanation."""
    return element("p", text(content))


def figure(title: str, picture: str) -> str:
    """Return a picture under its caption."""
    return element("figure", element("figcaption", text(title)), picture)


def lay_out(
    heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], *, hints: Sequence[str] | None = None
) -> str:
    """Return a table; the head of a row and its cells are markup.

    `hints` explain the columns, an empty one none: a browser shows a hint where the pointer rests on the title.
    """
    explained = hints or [""] * len(heads)
    head = element("tr", *(_column_head(title, hint) for title, hint in zip(heads, explained, strict=True)))
    body = [
        element("tr", element("th", name, scope="row"), *(element("td", cell) for cell in cells))
        for name, cells in rows
    ]
    whole = element("table", element("thead", head), element("tbody", *body))
    # Reachable by keyboard, for it scrolls sideways on a narrow screen.
    return element("div", whole, class_="scroll", tabindex="0")


def _column_head(title: str, hint: str) -> str:
    if hint:
        return element("th", text(title), scope="col", title=hint)
    return element("th", text(title), scope="col")
