"""Scoring and trainings through Ray, on a cluster of two nodes of this machine, one of which is killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxr_edge.archive.run import ScoreOptions, score
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.inference.classify import choose_artifact
from tests.support.archives import film, read_rows, shard_bytes, wait_for_shards, write_folder

pytest.importorskip("ray", reason="Ray, of the extra 'cluster', is not installed, or has no wheel for this machine")

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120

RUN_ENGINE = """
import json, sys
from pathlib import Path
from cxr_edge.engines import registry
from tests.support.works import Doubler

work = Doubler(Path(sys.argv[1]), deaths=int(sys.argv[2]))
print(json.dumps({str(task): str(answer) for task, answer in registry.run("ray", work, ["a", *range(6)])}))
"""
RUN_TRAININGS = """
import json, sys
from pathlib import Path
from cxr_edge.studies.jobs import Engine, Job, Record, run_all
from tests.support.works import train

folder = sys.argv[1]
jobs = [Job(f"seed{seed}", train, {"seed": seed}, {"folder": folder}, {}) for seed in range(int(sys.argv[2]))]
print(json.dumps(run_all(jobs, Record(Path(folder), resume=True), "trainings", Engine("ray"))))
"""


class TwoNodes:
    """The cluster, and commands that use it."""

    def __init__(self, temporary: str) -> None:
        self.environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "RAY_TMPDIR": temporary,
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.ray_cluster"],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.environment["RAY_ADDRESS"] = self._process.stdout.readline().strip()
        if not self.environment["RAY_ADDRESS"]:
            raise AssertionError(self._process.communicate()[1])

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        line = [sys.executable, *map(str, arguments)]
        return subprocess.Popen(
            line, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def kill_second_node(self) -> str:
        """Kill it when it is in the middle of a task; return how it was found."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("kill\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        try:
            self._process.communicate("", timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[TwoNodes]:
    # Not in pytest's folders: Ray puts sockets there, whose paths may have some 100 characters.
    temporary = tempfile.mkdtemp(prefix="ray-")
    cluster = TwoNodes(temporary)
    yield cluster
    cluster.close()
    shutil.rmtree(temporary, ignore_errors=True)


def finish(process: subprocess.Popen[str]) -> str:
    try:
        out, said = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, said = process.communicate()
    assert process.returncode == 0, said
    return out


def test_each_worker_opens_the_work_once_and_a_dead_one_is_replaced(two_nodes: TwoNodes, tmp_path: Path) -> None:
    found = json.loads(finish(two_nodes.start("-c", RUN_ENGINE, tmp_path, "1")))

    assert found == {"a": "-1"} | {str(task): str(2 * task) for task in range(6)}
    assert 1 <= len(list(tmp_path.glob("opened-*"))) <= 3


def test_a_task_whose_workers_always_die_is_lost_and_stops_no_other(two_nodes: TwoNodes, tmp_path: Path) -> None:
    found = json.loads(finish(two_nodes.start("-c", RUN_ENGINE, tmp_path, "99")))

    assert found.pop("a").startswith("Lost(")
    assert len(list(tmp_path.glob("a-died-*"))) == 3
    assert found == {str(task): str(2 * task) for task in range(6)}


def test_trainings_run_on_the_cluster_and_go_on_where_they_stopped(two_nodes: TwoNodes, tmp_path: Path) -> None:
    first = json.loads(finish(two_nodes.start("-c", RUN_TRAININGS, tmp_path, "2")))
    both = json.loads(finish(two_nodes.start("-c", RUN_TRAININGS, tmp_path, "3")))

    assert first == {"seed0": {"auc": 0.0}, "seed1": {"auc": 0.1}}
    assert both == first | {"seed2": {"auc": 0.2}}
    assert [(tmp_path / f"ran-{seed}").read_text() for seed in range(3)] == ["once\n"] * 3


def test_a_node_that_is_killed_changes_no_byte_of_the_result(
    two_nodes: TwoNodes, tmp_path: Path, brightness_bundle: Bundle
) -> None:
    write_folder(tmp_path / "films", 1500)
    (tmp_path / "films" / "bad.png").write_bytes(film()[:60])
    line: list[str | Path] = [
        "score",
        tmp_path / "films",
        "--out",
        tmp_path / "ray",
        "--engine",
        "ray",
        "--shard-films",
        "100",
        "--json",
    ]
    process = two_nodes.start("-m", "cxr_edge", *line, "--model", brightness_bundle.path)
    killed = two_nodes.kill_second_node()
    left_then = 16 - len(shard_bytes(tmp_path / "ray"))
    summary = json.loads(finish(process))

    options = ScoreOptions(workers=2, shard_films=100)
    score(tmp_path / "films", tmp_path / "local", brightness_bundle, choose_artifact(brightness_bundle), options)
    assert (killed, left_then > 0) == ("killed in a task", True)
    assert (summary["films"], summary["failed"]) == (1501, 1)
    assert shard_bytes(tmp_path / "ray") == shard_bytes(tmp_path / "local")
    assert len(read_rows(tmp_path / "ray")) == 1501


def test_without_an_address_a_cluster_of_this_machine_is_started_and_a_signal_ends_it_cleanly(
    two_nodes: TwoNodes, tmp_path: Path, brightness_bundle: Bundle
) -> None:
    write_folder(tmp_path / "films", 1200)
    two_nodes.environment.pop("RAY_ADDRESS")
    line: list[str | Path] = ["score", tmp_path / "films", "--out", tmp_path / "out", "--engine", "ray"]
    line += ["--workers", "1", "--shard-films", "20", "--model", brightness_bundle.path]
    stopped = two_nodes.start("-m", "cxr_edge", *line)
    wait_for_shards(tmp_path / "out", 1)
    stopped.terminate()
    _, said = stopped.communicate(timeout=LIMIT_S)
    kept = shard_bytes(tmp_path / "out")
    finish(two_nodes.start("-m", "cxr_edge", *line))

    assert (stopped.returncode, said.splitlines()[-1]) == (130, "cxr-edge: stopped; what was finished is kept")
    assert 1 <= len(kept) < 60
    assert len({row["path"] for row in read_rows(tmp_path / "out")}) == len(read_rows(tmp_path / "out")) == 1200


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path, brightness_bundle: Bundle) -> None:
    write_folder(tmp_path / "films", 1)
    line = ["score", str(tmp_path / "films"), "--out", str(tmp_path / "out"), "--engine", "ray"]
    environment = os.environ | {"RAY_ADDRESS": "nonsense", "RAY_TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "cxr_edge", *line, "--model", str(brightness_bundle.path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("cxr-edge: Ray at 'nonsense': cannot be used")
    assert "Traceback" not in done.stderr
