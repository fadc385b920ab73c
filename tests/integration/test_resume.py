"""A bench that was stopped goes on; one of another kind starts anew."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cxr_edge.benchmarks import run
from cxr_edge.benchmarks.measure import journal
from cxr_edge.benchmarks.measure.journal import Journal
from cxr_edge.benchmarks.run import BenchOptions
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.system import files

OPTIONS = BenchOptions(min_runs=4, min_time_s=0.4, warmup_runs=1, batch=2)

SCRIPT = """
import dataclasses, sys
from pathlib import Path
from cxr_edge.benchmarks import run
from cxr_edge.benchmarks.run import BenchOptions
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.data.dataset import open_dataset
films = open_dataset("phantom").select(split="test")
films = dataclasses.replace(films, items=films.items[:4])
options = BenchOptions(min_runs=4, min_time_s=0.4, warmup_runs=1, batch=2)
run.run(Bundle.read(Path(sys.argv[1])), films, options, out=Path(sys.argv[2]))
"""


@pytest.fixture
def films() -> Dataset:
    chosen = open_dataset("phantom").select(split="test")
    return dataclasses.replace(chosen, items=chosen.items[:4])


@pytest.fixture
def stopped(brightness_bundle: Bundle, tmp_path: Path) -> Path:
    """The report folder of a bench that was killed after some turns."""
    out = tmp_path / "out"
    command = [sys.executable, "-c", SCRIPT, str(brightness_bundle.path), str(out)]
    # What a killed process leaves behind stays in the test's own folder.
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | {"TMPDIR": str(scratch)}) as running:
        end = time.monotonic() + 600
        while len(list(out.glob(f"{journal.FOLDER}/turn-*.json"))) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        running.kill()
    return out


def times_of(out: Path) -> list[list[float]]:
    paths = sorted((out / journal.FOLDER).glob("turn-*.json"))
    return [[round(value, 4) for value in files.read_json(path)["answer"]["times_ms"]] for path in paths]


def test_resume_keeps_the_finished_turns_and_takes_the_others(
    stopped: Path, brightness_bundle: Bundle, films: Dataset
) -> None:
    first, second, *_ = times_of(stopped)
    result = run.run(brightness_bundle, films, OPTIONS, out=stopped, resume=True)
    kept = [list(turn) for row in result.artifacts for latency in row.latencies for turn in latency.times_ms]
    assert first in kept
    assert second in kept
    assert len(kept) == 8
    assert not (stopped / journal.FOLDER).exists()


def test_resume_takes_no_turn_of_a_run_with_other_options(
    stopped: Path, brightness_bundle: Bundle, films: Dataset
) -> None:
    first, *_ = times_of(stopped)
    other = dataclasses.replace(OPTIONS, min_time_s=0.0)
    result = run.run(brightness_bundle, films, other, out=stopped, resume=True)
    assert first not in [list(turn) for row in result.artifacts for item in row.latencies for turn in item.times_ms]


def test_without_resume_nothing_is_taken_over(tmp_path: Path) -> None:
    Journal(tmp_path, "key", resume=False).put("turn 0000", {"times_ms": [1.0]})
    assert Journal(tmp_path, "key", resume=True).get("turn 0000") == {"times_ms": [1.0]}
    assert Journal(tmp_path, "other", resume=True).get("turn 0000") is None
    assert Journal(tmp_path, "key", resume=False).get("turn 0000") is None


def test_a_damaged_turn_is_taken_again(tmp_path: Path) -> None:
    kept = Journal(tmp_path, "key", resume=False)
    kept.put("turn 0000", {"times_ms": [1.0]})
    (tmp_path / journal.FOLDER / "turn-0000.json").write_text('{"key": "key", "answ')
    assert kept.get("turn 0000") is None


def test_an_answer_is_asked_for_once_and_kept_under_any_name(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(name: str) -> dict[str, list[float]]:
        asked.append(name)
        return {"probabilities": [0.5]}

    kept = Journal(tmp_path, "key", resume=False)
    names = ("model_int8.tflite on ssh://pi@a:1", "model_int8.tflite on ssh://pi@a-1")
    for name in (*names, names[1]):
        assert kept.keep(name, lambda name=name: ask(name)) == {"probabilities": [0.5]}  # type: ignore[misc]
    assert asked == list(names)
    # The two names come to one file, and the second took its place.
    assert kept.get(names[0]) is None
