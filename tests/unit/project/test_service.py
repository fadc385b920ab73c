"""The systemd unit of the guide: systemd takes it, and its command line is one of ours."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cxr_edge.bundles.bundle import default_bundle_path
from cxr_edge.cli.main import main
from cxr_edge.inference.classify import find_model
from cxr_edge.inference.watch_journal import default_path

UNIT = Path(__file__).resolve().parents[3] / "docs" / "cxr-edge-watch.service"
PROGRAM = "/opt/cxr-edge/bin/cxr-edge"


def settings(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit_without_a_word(tmp_path: Path) -> None:
    # It also wants the program to be there, which it is on no machine but a Pi that was set up: any program will do.
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, sys.executable), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_its_command_is_a_command_with_its_options() -> None:
    program, name, *arguments = shlex.split(settings("ExecStart")[0])
    # A command keeps the names of its help option from the first context that it is made in.
    parent = click.Context(main, **main.context_settings)
    command = main.get_command(parent, name)
    assert command is not None
    context = command.make_context(name, arguments, parent=parent)

    assert program == PROGRAM
    assert context.params["watched"] is True


def test_its_model_is_the_shipped_one_until_another_is_named() -> None:
    named = dict(item.split("=", 1) for item in settings("Environment"))
    bundle, _ = find_model(named["MODEL"])

    assert "--model ${MODEL}" in settings("ExecStart")[0]
    assert bundle.path == default_bundle_path()


def test_its_journal_lies_in_the_folder_that_it_may_write(monkeypatch: pytest.MonkeyPatch) -> None:
    name, _, value = settings("Environment")[0].partition("=")
    monkeypatch.setenv(name, value)

    assert default_path([Path("/srv/films/incoming")]).parent == Path("/var/lib") / settings("StateDirectory")[0]
