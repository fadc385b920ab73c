"""The documents say what the program does, and their links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import tomllib

from cxr_edge.cli.main import main

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("docs", "cxr_edge", "export", "benchmarks", "android_demo", "scripts", "tests")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
GUIDES = ("README.md", "docs/training.md", "docs/export.md", "docs/archive.md")

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def _read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _links(page: Path) -> Iterator[str]:
    """The links of a page that stay in the repository."""
    for target in _LINK.findall(_FENCE.sub("", _read(page))):
        if not re.match(r"[a-z]+:", target):
            yield target


def _anchors(page: Path) -> set[str]:
    titles = _HEADING.findall(_FENCE.sub("", _read(page)))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _examples() -> list[str]:
    """Every line that calls cxr-edge inside a fenced block of the guides."""
    blocks = [block for guide in GUIDES for block in _FENCE.findall(_read(ROOT / guide))]
    return [line for block in blocks for line in block.splitlines() if line.startswith("cxr-edge ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert [link for link in _links(page) if not _leads_somewhere(page, link)] == []


def test_cli_page_is_what_the_script_writes(tmp_path: Path) -> None:
    written = tmp_path / "cli.md"
    subprocess.run([sys.executable, str(ROOT / "scripts" / "help_text.py"), str(written)], check=True)
    assert _read(ROOT / "docs" / "cli.md") == _read(written), "type 'make docs'"


def test_readme_lists_every_command() -> None:
    listed = re.findall(r"^\| `cxr-edge (\w+)", _read(ROOT / "README.md"), re.MULTILINE)
    assert sorted(listed) == main.list_commands(click.Context(main))


@pytest.mark.parametrize("line", _examples())
def test_every_example_is_a_command_with_its_options(line: str) -> None:
    _, name, *arguments = shlex.split(line, comments=True)
    # A command keeps the names of its help option from the first context that it is made in.
    context = click.Context(main, **main.context_settings)
    command = main.get_command(context, name)
    assert command is not None
    command.make_context(name, arguments, parent=context)


RECORDS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_the_index_lists_every_decision_record_with_its_status(record: Path) -> None:
    title = re.match(r"# (\d+)\. (.+)", _read(record))
    status = re.search(r"^Status: ([^;\n]+)", _read(record), re.MULTILINE)
    assert title is not None
    assert status is not None
    row = f"| {title[1]} | [{title[2]}]({record.name}) | {status[1]} |"
    assert row in _read(ROOT / "docs" / "adr" / "README.md").splitlines()


def test_the_architecture_page_lists_the_layers_in_their_order() -> None:
    contracts = tomllib.loads(_read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(item["layers"] for item in contracts if item.get("containers") == ["cxr_edge"])
    listed = re.findall(r"^\| `(\w+)` \|", _read(ROOT / "docs" / "architecture.md"), re.MULTILINE)
    assert listed == layers


def test_every_file_that_a_page_names_exists() -> None:
    named = re.compile(r"`((?:cxr_edge|export|benchmarks|tests|scripts|docs)/[\w/.-]+\.(?:py|md|sh|java))`")
    missing = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for name in named.findall(_read(page))
        if not (ROOT / name).exists()
    ]
    assert missing == []
