"""Scoring archives by the local engine: classify's answers, no film lost or twice after a stop, flat memory."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cxr_edge.archive.run import ScoreOptions, score
from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.cli.main import main
from cxr_edge.errors import RuntimeFailure
from cxr_edge.inference.classify import choose_artifact, classify
from cxr_edge.inference.sources import find_images
from cxr_edge.phantom import sets
from cxr_edge.system.about import RESEARCH_ONLY
from tests.support.archives import film, read_rows, shard_bytes, wait_for_shards, write_folder, write_tar, write_zip


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["score", *map(str, arguments)])


def expected_rows(bundle: Bundle, folder: Path) -> list[dict[str, Any]]:
    """What `classify` says of the films of a folder, as rows."""
    rows = []
    for prediction in classify(bundle, choose_artifact(bundle), find_images([folder])):
        content = prediction.path.read_bytes()
        rows.append(
            {
                "path": prediction.path.relative_to(folder).as_posix(),
                "sha256": hashlib.sha256(content).hexdigest(),
                "probabilities": prediction.probabilities or None,
                "label": prediction.label,
                "typicality": prediction.typicality,
                "untypical": prediction.untypical,
                "warnings": list(prediction.warnings),
                "error": prediction.error and prediction.error.removeprefix(f"{prediction.path}: "),
            }
        )
    return sorted(rows, key=lambda row: str(row["path"]))


def by_path(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: str(row["path"]))


def test_rows_are_what_classify_says_of_the_same_films(tmp_path: Path) -> None:
    sets.write_folder(tmp_path / "films", {"train": 30, "val": 0, "test": 0})
    (tmp_path / "films" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "films" / "empty.dcm").write_bytes(b"")
    bundle = Bundle.read(default_bundle_path())
    result = invoke(tmp_path / "films", "--out", tmp_path / "out", "--shard-films", "20", "--workers", "2")

    assert result.exit_code == 0, result.stderr
    assert by_path(read_rows(tmp_path / "out")) == expected_rows(bundle, tmp_path / "films")


def test_rows_of_real_and_awkward_films_are_what_classify_says(real_data: Path, tmp_path: Path) -> None:
    bundle = Bundle.read(default_bundle_path())
    invoke(real_data / "odd", "--out", tmp_path / "out", "--workers", "1")

    rows = by_path(read_rows(tmp_path / "out"))
    assert rows == expected_rows(bundle, real_data / "odd")
    assert {row["error"] is None for row in rows} == {True, False}


def test_no_patient_tag_of_a_dicom_reaches_a_shard_or_a_stream(real_data: Path, tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom", reason="the extra 'dicom' is not installed")
    tagged = pydicom.dcmread(real_data / "odd" / "d_dx12_mono2.dcm")
    tagged.PatientName, tagged.PatientID, tagged.PatientBirthDate = "DOE^JANE", "ID-4711", "19700101"
    (tmp_path / "films").mkdir()
    tagged.save_as(tmp_path / "films" / "film.dcm")
    (tmp_path / "films" / "cut.dcm").write_bytes((tmp_path / "films" / "film.dcm").read_bytes()[:20_000])
    result = invoke(tmp_path / "films", "--out", tmp_path / "out")

    text = json.dumps(read_rows(tmp_path / "out")) + result.stdout + result.stderr
    assert not [secret for secret in ("DOE", "JANE", "4711", "19700101") if secret in text]
    assert len(read_rows(tmp_path / "out")) == 2


def test_the_place_of_an_archive_and_the_number_of_workers_change_no_byte(
    tmp_path: Path, brightness_bundle: Bundle
) -> None:
    outs = []
    for number, workers in ((1, "1"), (2, "3")):
        write_folder(tmp_path / f"place{number}", 120)
        outs.append(tmp_path / f"out{number}")
        invoke(tmp_path / f"place{number}", "--out", outs[-1], "--model", brightness_bundle.path, "--workers", workers)

    assert shard_bytes(outs[0]) == shard_bytes(outs[1])
    assert len(shard_bytes(outs[0])) == 3


def test_a_zip_a_tar_and_a_list_are_scored_as_the_folder_is(tmp_path: Path, brightness_bundle: Bundle) -> None:
    contents = {f"{number:02}.png": film(number) for number in range(60)}
    (tmp_path / "f").mkdir()
    for name, content in contents.items():
        (tmp_path / "f" / name).write_bytes(content)
    archives = {
        "folder": tmp_path / "f",
        "zip": write_zip(tmp_path / "f.zip", contents),
        "tar": write_tar(tmp_path / "f.tar.gz", contents, "w:gz"),
        "list": tmp_path / "list.txt",
        "manifest": tmp_path / "manifest.csv",
    }
    archives["list"].write_text("".join(f"f/{name}\n" for name in contents))
    archives["manifest"].write_text("path\n" + "".join(f"f/{name}\n" for name in contents))
    answers = {}
    for name, archive in archives.items():
        invoke(archive, "--out", tmp_path / name, "--model", brightness_bundle.path, "--workers", "1")
        rows = read_rows(tmp_path / name)
        answers[name] = sorted((row["path"][-6:], row["sha256"], str(row["probabilities"])) for row in rows)

    assert len(answers["folder"]) == 60
    assert all(answer == answers["folder"] for answer in answers.values())


def test_the_summary_counts_labels_and_errors_and_says_what_it_is_for(
    tmp_path: Path, brightness_bundle: Bundle
) -> None:
    for name, content in {"dark.png": film(20), "bright.png": film(200), "a.png": b"", "b.png": b""}.items():
        (tmp_path / "films").mkdir(exist_ok=True)
        (tmp_path / "films" / name).write_bytes(content)
    table = invoke(tmp_path / "films", "--out", tmp_path / "out", "--model", brightness_bundle.path)
    summary = json.loads(
        invoke(tmp_path / "films", "--out", tmp_path / "out", "--model", brightness_bundle.path, "--json").stdout
    )

    assert table.exit_code == 0
    assert [line.split()[:2] for line in table.stdout.splitlines()[:2]] == [["1", "covid"], ["1", "noncovid"]]
    assert "         2  error: the file is empty; copy or download it again\n" in table.stdout
    assert table.stdout.endswith(RESEARCH_ONLY + "\n")
    assert "films/s" in table.stderr
    assert (summary["films"], summary["failed"], summary["scored_now"]) == (4, 2, 0)
    assert summary["labels"] == {"covid": 1, "noncovid": 1}


def test_the_exit_code_is_1_when_no_film_could_be_read(tmp_path: Path, brightness_bundle: Bundle) -> None:
    (tmp_path / "list.txt").write_text("gone.png\n")

    assert invoke(tmp_path / "list.txt", "--out", tmp_path / "out", "--model", brightness_bundle.path).exit_code == 1
    assert read_rows(tmp_path / "out")[0]["error"] == "does not exist; check the path"


def test_overlays_are_written_a_film_each_and_not_among_the_films(tmp_path: Path, brightness_bundle: Bundle) -> None:
    write_folder(tmp_path / "films", 12)
    line: list[str | Path] = [
        tmp_path / "films",
        "--out",
        tmp_path / "out",
        "--model",
        brightness_bundle.path,
        "--shard-films",
        "6",
    ]
    refused = invoke(*line, "--heatmap", tmp_path / "films" / "maps")
    done = invoke(*line, "--heatmap", tmp_path / "maps")

    assert (refused.exit_code, "would be films" in refused.stderr) == (2, True)
    assert done.exit_code == 0, done.stderr
    assert (
        sorted(path.parent.name for path in (tmp_path / "maps").rglob("*_heatmap.png"))
        == ["000000"] * 6 + ["000001"] * 6
    )


def test_another_model_is_refused(tmp_path: Path, brightness_bundle: Bundle) -> None:
    write_folder(tmp_path / "films", 3)
    invoke(tmp_path / "films", "--out", tmp_path / "out", "--model", brightness_bundle.path)
    result = invoke(tmp_path / "films", "--out", tmp_path / "out")

    assert result.exit_code == 2
    assert "was made with another model; choose another --out" in result.stderr


def test_an_archive_that_changed_is_refused_unless_asked_for(tmp_path: Path, brightness_bundle: Bundle) -> None:
    write_folder(tmp_path / "films", 3)
    line: list[str | Path] = [tmp_path / "films", "--out", tmp_path / "out", "--model", brightness_bundle.path]
    invoke(*line)
    (tmp_path / "films" / "new.png").write_bytes(film(9))
    refused, resumed = invoke(*line), invoke(*line, "--as-listed")

    assert (refused.exit_code, "has other films (4)" in refused.stderr) == (2, True)
    assert resumed.exit_code == 0
    assert len(read_rows(tmp_path / "out")) == 3


def test_another_size_of_shards_is_refused(tmp_path: Path, brightness_bundle: Bundle) -> None:
    write_folder(tmp_path / "films", 3)
    line: list[str | Path] = [tmp_path / "films", "--out", tmp_path / "out", "--model", brightness_bundle.path]
    invoke(*line)

    assert "has 50; leave the option out" in invoke(*line, "--shard-films", "7").stderr


# The whole command, as it runs for days.
@pytest.fixture
def start(tmp_path: Path, brightness_bundle: Bundle) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "cxr_edge", "score", str(tmp_path / "films"), "--out", str(tmp_path / "out")]
        line += ["--model", str(brightness_bundle.path), "--shard-films", "20", "--workers", "2", *options]
        started.append(subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_after_kill_9_the_same_command_goes_on_and_no_film_is_lost_or_twice(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    write_folder(tmp_path / "films", 600)
    killed = start()
    wait_for_shards(tmp_path / "out", 2)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*.parquet")}
    assert 2 <= len(kept) < 30

    second = start("--json")
    out, said = second.communicate(timeout=120)
    assert second.returncode == 0, said
    rows = read_rows(tmp_path / "out")
    assert sorted(row["path"] for row in rows) == [f"{number // 10:03}/{number:05}.png" for number in range(600)]
    assert json.loads(out)["scored_now"] == 600 - 20 * len(kept)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    write_folder(tmp_path / "films", 600)
    process = start()
    wait_for_shards(tmp_path / "out", 1)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert said.splitlines()[-1] == "cxr-edge: stopped; what was finished is kept"
    assert "Traceback" not in said
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


def test_a_second_run_in_the_same_folder_is_refused(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, brightness_bundle: Bundle
) -> None:
    write_folder(tmp_path / "films", 600)
    start()
    wait_for_shards(tmp_path / "out", 1)
    result = invoke(tmp_path / "films", "--out", tmp_path / "out", "--model", brightness_bundle.path)

    assert (result.exit_code, "another run is writing to it" in result.stderr) == (2, True)


def test_a_worker_that_is_killed_costs_no_film(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    write_folder(tmp_path / "films", 600)
    process = start("--json")
    wait_for_shards(tmp_path / "out", 1)
    killed = 0
    for entry in Path("/proc").glob("[0-9]*/stat"):
        fields = entry.read_text().rsplit(")")[1].split() if entry.exists() else []
        if (
            fields
            and fields[1] == str(process.pid)
            and b"cxr_edge.engines.worker" in (entry.parent / "cmdline").read_bytes()
        ):
            os.kill(int(entry.parent.name), signal.SIGKILL)
            killed += 1
            break
    out, said = process.communicate(timeout=120)

    assert killed == 1
    assert process.returncode == 0, said
    assert json.loads(out)["films"] == len(read_rows(tmp_path / "out")) == 600


def test_a_film_that_kills_its_process_is_a_row_and_the_rest_is_scored(
    tmp_path: Path, brightness_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "films", 12)
    (tmp_path / "films" / "killer.png").write_bytes(film(1) + b"KILL")
    # The workers find this when they start, before anything else: a decoder with a fault of its own.
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(KILLER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    options = ScoreOptions(workers=2, shard_films=5)
    summary = score(
        tmp_path / "films", tmp_path / "out", brightness_bundle, choose_artifact(brightness_bundle), options
    )

    errors = {row["path"]: row["error"] for row in read_rows(tmp_path / "out") if row["error"]}
    assert summary.tally.films == 13
    assert list(errors) == ["killer.png"]
    assert errors["killer.png"].startswith("the process that read it died")


def test_a_run_whose_workers_die_at_every_film_ends_with_an_error(
    tmp_path: Path, brightness_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "films", 8)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(KILLER.replace("KILL", ""))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    for shard_films in (1, 8):
        out = tmp_path / f"out{shard_films}"
        options = ScoreOptions(workers=2, shard_films=shard_films)
        with pytest.raises(RuntimeFailure, match="no worker gets a film done"):
            score(tmp_path / "films", out, brightness_bundle, choose_artifact(brightness_bundle), options)
        assert shard_bytes(out) == {}


KILLER = """
import io, os, signal
from PIL import PngImagePlugin

class Fatal(PngImagePlugin.PngImageFile):
    def __init__(self, fp=None, filename=None):
        if isinstance(fp, io.BytesIO) and fp.getvalue().endswith(b"KILL"):
            os.kill(os.getpid(), signal.SIGSEGV)
        super().__init__(fp, filename)

PngImagePlugin.PngImageFile = Fatal
"""


def _peak_kib(process: subprocess.Popen[str]) -> int:
    """The largest memory of a process and its children so far, each at its own peak."""
    peak = 0
    for entry in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in entry.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if str(process.pid) in (lines["Pid"].strip(), lines["PPid"].strip()) and "VmHWM" in lines:
            peak = max(peak, int(lines["VmHWM"].split()[0]))
    return peak


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_is_flat_in_the_number_of_films(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    write_folder(tmp_path / "films", 1)
    first = next((tmp_path / "films").rglob("*.png"))
    for number in range(6000):
        os.link(first, first.with_name(f"link{number:05}.png"))
    process = start()
    wait_for_shards(tmp_path / "out", 20)
    early = _peak_kib(process)
    wait_for_shards(tmp_path / "out", 290, 120)

    assert _peak_kib(process) - early < 6 * 1024
