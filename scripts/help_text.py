"""Write docs/cli.md: the --help text of every command, as the program itself prints it.

python scripts/help_text.py [FILE]      default: docs/cli.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from cxr_edge.cli.main import main
from cxr_edge.system import files

DEFAULT = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
WIDTH = 100
HEAD = """\
# The command line

Written by `make docs` from the commands' own `--help`; change the text there. Results go to stdout, progress and
warnings to stderr.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | it failed, or a film could not be read; one line says what and what to do |
| 2 | an option or argument that cannot be used |
| 3 | a stated budget was not met |
| 4 | a file was refused because opening it would not be safe |
| 130 | stopped with Ctrl-C |
"""


def render() -> str:
    """Return the whole page, the same on every terminal."""
    return HEAD + "".join(f"\n## {title}\n\n```text\n{text}\n```\n" for title, text in list_help(main, None))


def list_help(command: click.Command, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    """Yield the full name and the help text of a command, then those of its own commands, by name."""
    name = "cxr-edge" if parent is None else command.name
    # The width is fixed, for click would take that of whoever's terminal it runs in.
    context = click.Context(
        command, parent=parent, info_name=name, **{**command.context_settings, "terminal_width": WIDTH}
    )
    yield context.command_path, "\n".join(line.rstrip() for line in context.get_help().splitlines())
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            subcommand = command.get_command(context, name)
            if subcommand is not None:
                yield from list_help(subcommand, context)


if __name__ == "__main__":
    files.write_text(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT, render())
