"""Every attack of this folder, through the real command line: its exit code, one line, and nothing left behind."""

from __future__ import annotations

import importlib
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from cxr_edge.contract import Pixels
from cxr_edge.errors import SandboxError
from cxr_edge.preflight.check import check_artifact
from cxr_edge.processes.limits import Limits
from cxr_edge.sandbox.runtime import run_in_sandbox
from tests.attacks import endless_loop, memory_flood, processor_hog

ATTACKS = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_"))
MEMORY_BYTES = 6 * 2**30
# The sandbox's 10 s of processor time, and what the program itself takes.
TOO_LONG_S = 25.0


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.usefixtures("nothing_made_here")
def test_an_attack_ends_with_one_line_and_nothing_left(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = importlib.import_module(f"tests.attacks.{name}")
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    Image.linear_gradient("L").save("film.png")
    arguments = attack.make(inside)
    before = sorted(tmp_path.rglob("*"))
    start_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "cxr_edge.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES)),
        timeout=4 * TOO_LONG_S,
    )
    said = done.stderr + done.stdout

    assert done.returncode == attack.CODE, said
    assert attack.FACT in said
    assert "Traceback" not in said
    if arguments[0] != "verify":
        assert done.stdout == ""
        assert done.stderr.startswith("cxr-edge: ")
        assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert time.monotonic() - start_s < TOO_LONG_S


def test_every_attack_says_what_is_threatened() -> None:
    assert len(ATTACKS) > 15
    for name in ATTACKS:
        assert importlib.import_module(f"tests.attacks.{name}").__doc__


@pytest.fixture
def pixels() -> Pixels:
    import numpy as np

    return np.full((1, 224, 224, 3), 100, np.uint8)


def test_the_sandbox_alone_ends_an_endless_loop(pixels: Pixels) -> None:
    with pytest.raises(SandboxError, match="used the 2 s of processor time"):
        run_in_sandbox(endless_loop.make_model(), "onnx", pixels, name="model", limits=Limits(cpu_s=2, wall_s=60.0))


def test_the_sandbox_ends_by_the_clock_what_it_does_not_end_by_the_processor(pixels: Pixels) -> None:
    with pytest.raises(SandboxError, match="gave no answer in 1 s"):
        run_in_sandbox(endless_loop.make_model(), "onnx", pixels, name="model", limits=Limits(wall_s=1.0))


@pytest.mark.parametrize("attack", [memory_flood, processor_hog])
def test_what_only_the_sandbox_stops_passes_the_check(attack: object) -> None:
    # Or the two attacks would show nothing of the sandbox.
    check_artifact(attack.make_model(), "onnx", "model")  # type: ignore[attr-defined]
