"""A watched folder, by a real model: each film once, none half-written, restarts, signals, and memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.errors import UsageError
from cxr_edge.inference.classify import Prediction, choose_artifact
from cxr_edge.inference.rows import to_json
from cxr_edge.inference.watch import Stop, WatchOptions, check_folders, watch
from cxr_edge.inference.watch_journal import Journal
from cxr_edge.models import open_model
from cxr_edge.runtimes.base import Runtime

QUICK = WatchOptions(interval_s=0.02, settle_s=0.06, patience_s=0.4)


@pytest.fixture
def runtime(brightness_bundle: Bundle) -> Runtime:
    return open_model(brightness_bundle, choose_artifact(brightness_bundle))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "incoming").mkdir()
    return tmp_path / "incoming"


def save(path: Path, grey: int = 64) -> Path:
    Image.new("L", (240, 300), grey).save(path)
    return path


@pytest.fixture
def run(runtime: Runtime, brightness_bundle: Bundle, folder: Path, tmp_path: Path) -> Callable[..., list[Prediction]]:
    def run(duration_s: float = 0.3, act: Callable[[Prediction], None] | None = None, count: int = 0) -> Any:
        """Watch for a while, or until `count` films came, and return what came."""
        stop, came = StopAfter(duration_s), []
        with Journal(tmp_path / "journal") as journal:
            for prediction in watch(runtime, brightness_bundle.manifest, [folder], journal, stop, QUICK):
                came.append(prediction)
                if act:
                    act(prediction)
                if count and len(came) == count:
                    stop.ask()
        return came

    return run


class StopAfter(Stop):
    """Asks itself when its time is over."""

    def __init__(self, duration_s: float) -> None:
        super().__init__()
        self._end_s = time.monotonic() + duration_s

    def wait(self, duration_s: float) -> None:
        super().wait(duration_s)
        if time.monotonic() > self._end_s:
            self.ask()


def names(predictions: list[Prediction]) -> list[str]:
    return [prediction.path.name for prediction in predictions]


def test_each_film_comes_once_the_oldest_first(run: Callable[..., list[Prediction]], folder: Path) -> None:
    for age_s, name in ((30, "b.png"), (20, "c.png"), (10, "a.png")):
        os.utime(save(folder / name), (time.time() - age_s,) * 2)

    assert names(run()) == ["b.png", "c.png", "a.png"]


def test_a_film_that_comes_later_or_deeper_is_found(run: Callable[..., list[Prediction]], folder: Path) -> None:
    save(folder / "a.png")

    def add(prediction: Prediction) -> None:
        (folder / "day").mkdir(exist_ok=True)
        if prediction.path.name == "a.png":
            save(folder / "day" / "b.png")

    assert names(run(5, add, count=2)) == ["a.png", "b.png"]


def test_a_restart_goes_on_where_it_stopped(run: Callable[..., list[Prediction]], folder: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        save(folder / name)
    first = run(5, count=2)

    assert len(first) == 2
    assert sorted(names(first) + names(run())) == ["a.png", "b.png", "c.png"]


def test_a_film_whose_row_was_not_taken_comes_again(
    runtime: Runtime, brightness_bundle: Bundle, folder: Path, tmp_path: Path, run: Callable[..., list[Prediction]]
) -> None:
    save(folder / "a.png")
    with Journal(tmp_path / "journal") as journal:
        rows = watch(runtime, brightness_bundle.manifest, [folder], journal, StopAfter(5), QUICK)
        next(rows)
        rows.close()  # type: ignore[attr-defined]

    assert names(run()) == ["a.png"]


def test_a_film_that_still_grows_is_waited_for(runtime: Runtime, brightness_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    whole = save(tmp_path / "whole.png").read_bytes()
    half = tmp_path / "incoming" / "film.png"
    half.write_bytes(whole[:40])

    class Writer(StopAfter):
        """Adds a byte each time the watch waits, and then the rest."""

        def wait(self, duration_s: float) -> None:
            size = half.stat().st_size
            with half.open("ab") as handle:
                handle.write(whole[size : size + 1] if size < 60 else whole[size:])
            super().wait(duration_s)

    with Journal(tmp_path / "journal") as journal:
        rows = list(watch(runtime, brightness_bundle.manifest, [half.parent], journal, Writer(1.5), QUICK))
    assert [(row.path.name, row.error) for row in rows] == [("film.png", None)]


def test_a_film_that_stalls_half_way_gets_one_row_when_it_is_whole(
    run: Callable[..., list[Prediction]], folder: Path, tmp_path: Path
) -> None:
    whole = save(tmp_path / "whole.png").read_bytes()
    (folder / "stalled.png").write_bytes(whole[:50])
    os.utime(save(folder / "sign.png"), (time.time() + 5,) * 2)

    def finish(prediction: Prediction) -> None:
        # By now the stalled film, the older one, was tried and put off.
        if prediction.path.name == "sign.png":
            (folder / "stalled.png").write_bytes(whole)

    assert [(row.path.name, row.error) for row in run(5, finish, count=2)] == [
        ("sign.png", None),
        ("stalled.png", None),
    ]


def test_a_bad_film_gets_its_row_once_and_stops_no_other(run: Callable[..., list[Prediction]], folder: Path) -> None:
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    save(folder / "good.png")
    rows = run(1.0)

    assert sorted((row.path.name, row.error is None) for row in rows) == [("bad.png", False), ("good.png", True)]


def test_a_film_that_another_replaces_is_a_new_one(run: Callable[..., list[Prediction]], folder: Path) -> None:
    save(folder / "film.png", 64)

    def replace(prediction: Prediction) -> None:
        if prediction.label == "noncovid":
            Image.new("L", (241, 300), 192).save(folder / ".new.png")
            (folder / ".new.png").rename(folder / "film.png")

    assert [row.label for row in run(5, replace, count=2)] == ["noncovid", "covid"]


def test_hidden_files_and_other_files_are_left_alone(run: Callable[..., list[Prediction]], folder: Path) -> None:
    save(folder / ".part.png")
    (folder / "notes.txt").write_text("none")
    (folder / ".sync").mkdir()
    save(folder / ".sync" / "copy.png")

    assert run(0.2) == []


def test_a_folder_that_goes_is_told_of_once_and_waited_for(
    run: Callable[..., list[Prediction]], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.rename(folder.with_name("away"))
    assert run(0.3) == []

    assert capsys.readouterr().err.count("cannot be listed") == 1


def test_no_patient_tag_of_a_dicom_reaches_a_row_the_journal_or_stderr(
    run: Callable[..., list[Prediction]],
    folder: Path,
    real_data: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pydicom = pytest.importorskip("pydicom", reason="the extra 'dicom' is not installed")
    tagged = pydicom.dcmread(real_data / "odd" / "d_dx12_mono2.dcm")
    tagged.PatientName, tagged.PatientID, tagged.PatientBirthDate = "DOE^JANE", "ID-4711", "19700101"
    tagged.save_as(folder / "film.dcm")
    (folder / "cut.dcm").write_bytes((folder / "film.dcm").read_bytes()[:20_000])
    came = run(20, count=2)

    assert sorted((row.path.name, row.error is None) for row in came) == [("cut.dcm", False), ("film.dcm", True)]
    captured = capfd.readouterr()
    written = "".join(map(to_json, came)) + captured.out + captured.err + (tmp_path / "journal").read_text()
    assert not [secret for secret in ("DOE", "JANE", "4711", "19700101") if secret in written]


def test_check_folders_refuses_a_file_and_overlays_among_the_films(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only folders are watched"):
        check_folders([save(tmp_path / "film.png")])
    with pytest.raises(UsageError, match="its overlays would be films"):
        check_folders([folder], folder / "maps")
    check_folders([folder], tmp_path / "maps")


# The whole command, as a service runs it.
@pytest.fixture
def command(brightness_bundle: Bundle, folder: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "cxr_edge", "classify", str(folder), "--watch", *options]
        line += ["--model", str(brightness_bundle.path), "--journal", str(tmp_path / "journal")]
        with (tmp_path / "rows").open("a") as rows:
            started.append(subprocess.Popen(line, stdout=rows, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for_lines(path: Path, count: int, limit_s: float = 60) -> list[str]:
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.05)
    raise AssertionError(f"{len(lines)} of {count} rows came")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_the_next_run_goes_on(
    command: Callable[..., subprocess.Popen[str]], folder: Path, tmp_path: Path, number: signal.Signals
) -> None:
    for index in range(40):
        save(folder / f"{index:02}.png")
    first = command("--json", "--heatmap", str(tmp_path / "maps"))
    wait_for_lines(tmp_path / "rows", 3)
    first.send_signal(number)
    _, said = first.communicate(timeout=30)
    assert first.returncode == 0, said
    assert "stopped; " in said

    second = command("--json", "--heatmap", str(tmp_path / "maps"))
    rows = [json.loads(line) for line in wait_for_lines(tmp_path / "rows", 40)]
    second.terminate()
    assert (second.communicate(timeout=30), second.returncode)[1] == 0
    assert sorted(Path(row["path"]).name for row in rows) == [f"{index:02}.png" for index in range(40)]
    assert len(list((tmp_path / "maps").iterdir())) == 40


def test_csv_that_goes_on_has_one_header(
    command: Callable[..., subprocess.Popen[str]], folder: Path, tmp_path: Path
) -> None:
    for rows in (2, 3):
        save(folder / f"{rows}.png")
        process = command("--csv")
        lines = wait_for_lines(tmp_path / "rows", rows)
        process.terminate()
        process.communicate(timeout=30)

    assert [line.startswith("path,") for line in lines] == [True, False, False]


def resident_kib(process: subprocess.Popen[str]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
def test_memory_stays_flat_over_many_films(
    command: Callable[..., subprocess.Popen[str]], folder: Path, tmp_path: Path
) -> None:
    first = save(folder / "0000.png")
    for index in range(1, 3000):
        os.link(first, folder / f"{index:04}.png")
    process = command("--json")
    wait_for_lines(tmp_path / "rows", 500)
    early = resident_kib(process)
    wait_for_lines(tmp_path / "rows", 3000, 120)

    assert resident_kib(process) - early < 4096
