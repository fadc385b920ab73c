"""kill -9 and a full disk at any point of a write: what was there stays whole, or the new is there whole."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.phantom.sets import write_folder
from tests.fault import killing

LONG = bool(os.environ.get("CXR_EDGE_LONG"))
# In the long run 200 in all.
POINTS = dict.fromkeys(("export", "checkpoint", "report", "score"), 50 if LONG else 16)
# The note that a model was made here is an empty file, for which there is always room.
EMPTY_FILES = {"export": 1, "checkpoint": 0, "report": 0, "score": 0}
KILLED = (-signal.SIGKILL, -signal.SIGXFSZ)


@pytest.fixture(scope="module", params=killing.WRITERS)
def harmed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, list[dict[str, Any]]]:
    """The name of a writer, and what became of its work at each point where it came to harm."""
    writer = request.param
    points = str(POINTS[writer])
    command = [sys.executable, "-m", "tests.fault.killing", writer, str(tmp_path_factory.mktemp(writer)), points, "1"]
    # Threads that TensorFlow and OpenBLAS hold do not go along when a process forks.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    return writer, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_kill_9_tears_nothing(harmed: tuple[str, list[dict[str, Any]]]) -> None:
    writer, every = harmed
    results = [result for result in every if result["kind"] != "full"]
    killed = [result for result in results if result["ended"] in KILLED]

    assert len(results) == POINTS[writer]
    assert len(killed) > len(results) / 2
    assert {result["ended"] for result in killed} == set(KILLED)
    for result in results:
        assert result["ended"] in (0, *KILLED), result
        # `read` has proved that what is there is whole.
        assert result["found"] in (0, 1), result
        assert (result["again"], result["left_again"]) == (1, []), result


def test_a_full_disk_at_any_file_is_one_line_and_leaves_the_old(harmed: tuple[str, list[dict[str, Any]]]) -> None:
    writer, every = harmed
    results = [result for result in every if result["kind"] == "full"]
    stopped = [result for result in results if result["ended"] == 3]

    assert stopped
    assert len(results) - len(stopped) == EMPTY_FILES[writer]
    for result in stopped:
        assert "cannot be written (File too large)" in result["said"]
        assert "\n" not in result["said"]
        # Files of a report come one by one; the first of them may be new.
        assert result["found"] in ((0,) if writer != "report" else (0, 1)), result
        assert (result["left"], result["again"]) == ([], 1), result


@pytest.mark.skipif(not LONG, reason="takes minutes; 'make fuzz' runs it, and one kill is in test_training_run.py")
def test_a_training_run_that_is_killed_again_and_again_ends_with_a_whole_bundle(tmp_path: Path) -> None:
    write_folder(tmp_path / "films", {"train": 24, "val": 12, "test": 12})
    out = tmp_path / "bundle"
    options = ["--preset", "single", "--weights", "none", "--unfreeze", "0", "--epochs", "6", "--out", str(out)]
    command = [sys.executable, "-m", "cxr_edge.cli.main", "train", str(tmp_path / "films"), *options, "--resume"]
    rng = random.Random(1)
    for _ in range(8):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(rng.uniform(5, 25))
        run.kill()
        _, errors = run.communicate()
        assert "Traceback" not in errors
        if (out / "manifest.json").exists():
            break
    else:
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    bundle = Bundle.read(out)

    for artifact in bundle.manifest.artifacts.values():
        bundle.artifact_bytes(artifact)
    for name in bundle.manifest.files:
        bundle.file_bytes(name)
