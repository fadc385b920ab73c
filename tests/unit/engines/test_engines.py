"""The local engine: results, order, errors, deaths, and what is left behind."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxr_edge.engines import cluster, registry
from cxr_edge.engines.base import Lost
from cxr_edge.errors import DataError, MissingExtraError, UsageError
from tests.support.works import Doubler, Refuser

ROOT = Path(__file__).resolve().parents[3]


def list_children() -> list[int]:
    """Return the workers that this process started and that are still there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            ours = b"cxr_edge.engines.worker" in path.with_name("cmdline").read_bytes()
            if ours and int(parent) == os.getpid() and state != "Z":
                found.append(int(path.parent.name))
    return found


def test_every_task_has_its_result_and_each_worker_opens_the_work_once(tmp_path: Path) -> None:
    found = dict(registry.run("local", Doubler(tmp_path), range(40), workers=2))

    assert found == {task: 2 * task for task in range(40)}
    assert len(list(tmp_path.glob("opened-*"))) == 2
    assert list_children() == []


def test_tasks_are_taken_only_as_workers_get_free(tmp_path: Path) -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for task in range(20):
            taken.append(task)
            yield task

    results = registry.run("local", Doubler(tmp_path), tasks(), workers=2)
    next(results)
    assert len(taken) <= 5
    results.close()
    assert list_children() == []


def test_no_more_workers_are_started_than_there_are_tasks(tmp_path: Path) -> None:
    assert list(registry.run("local", Doubler(tmp_path), [1], workers=8)) == [(1, 2)]
    assert len(list(tmp_path.glob("opened-*"))) == 1


def test_a_task_whose_worker_dies_is_given_to_another(tmp_path: Path) -> None:
    mixed: list[int | str] = ["a", 1, 2, 3]
    found = dict(registry.run("local", Doubler(tmp_path, deaths=2), mixed, workers=2))

    assert found == {"a": -1, 1: 2, 2: 4, 3: 6}
    assert len(list(tmp_path.glob("a-died-*"))) == 2


def test_a_task_whose_workers_always_die_is_lost_and_stops_no_other(tmp_path: Path) -> None:
    mixed: list[int | str] = [1, "a", 2]
    found = dict(registry.run("local", Doubler(tmp_path, deaths=99), mixed, workers=1))

    assert (found[1], found[2]) == (2, 4)
    assert isinstance(found["a"], Lost)
    assert found["a"].reason.startswith("its process died 3 times; the last one was killed by SIGKILL")


@pytest.mark.parametrize(
    ("when", "error"), [("open", MissingExtraError), ("run", DataError)], ids=["when-opened", "when-run"]
)
def test_an_error_of_the_work_is_raised_as_it_was(when: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"pip install 'cxr-edge\[onnx\]'|7: cannot be done"):
        list(registry.run("local", Refuser(when), [7], workers=1))
    assert list_children() == []


def test_workers_end_when_the_process_that_started_them_is_killed(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from cxr_edge.engines import registry; from tests.support.works import Doubler\n"
        "if __name__ == '__main__':\n"
        f"    list(registry.run('local', Doubler(Path({str(tmp_path)!r})), ['wait'] * 2, workers=2))"
    )
    (tmp_path / "main.py").write_text(code)
    process = subprocess.Popen([sys.executable, str(tmp_path / "main.py")], env={"PYTHONPATH": str(ROOT)})
    end_s = time.monotonic() + 60
    while len(opened := list(tmp_path.glob("opened-*"))) < 2 and time.monotonic() < end_s:
        time.sleep(0.05)
    process.kill()
    process.wait()

    pids = [path.name.removeprefix("opened-") for path in opened]
    while any(_runs(pid) for pid in pids) and time.monotonic() < end_s:
        time.sleep(0.05)
    assert [pid for pid in pids if _runs(pid)] == []
    assert len(pids) == 2


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UsageError, match="use local or ray"):
        registry.run("abacus", Refuser("run"), [1])


def test_without_ray_the_error_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(MissingExtraError, match=r"pip install 'cxr-edge\[cluster\]'"):
        list(cluster.run(Refuser("run"), [1]))
