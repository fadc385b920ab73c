"""Files are whole or not there: under errors, kills, full disks and places that cannot be written."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxr_edge.errors import DataError, OutputError, UnsafeFileError
from cxr_edge.system import files

LONG_NAME = "f" * 255
LIMITED_BYTES = 4096
# Writes a first argument's file of twice the limit, as a full disk would stop it: part of it gets through.
WRITER = """
import sys
from pathlib import Path
from cxr_edge.system import files
from cxr_edge.errors import OutputError

try:
    files.write_bytes(Path(sys.argv[1]), b"new" * 4096)
except OutputError as error:
    print(error)
"""
DYING_STAGER = """
import os, sys
from pathlib import Path
from cxr_edge.system import files

with files.staged_folder(Path(sys.argv[1])) as staged:
    files.write_text(staged / "part", "new")
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def fill_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMITED_BYTES, LIMITED_BYTES))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ended_pid() -> int:
    """The id of a process that is no more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def make_folder(folder: Path, content: str) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text(content)
    return folder


def test_atomic_write_puts_the_content_in_place_and_leaves_nothing_else(tmp_path: Path) -> None:
    with files.atomic_write(tmp_path / "out.bin") as handle:
        handle.write(b"new")

    assert (tmp_path / "out.bin").read_bytes() == b"new"
    assert names(tmp_path) == ["out.bin"]


def test_atomic_write_makes_missing_folders(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a" / "b" / "out.txt", "new")

    assert (tmp_path / "a" / "b" / "out.txt").read_text() == "new"


def test_atomic_write_shows_the_old_content_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")

    with files.atomic_write(path) as handle:
        handle.write(b"new")
        handle.flush()
        assert path.read_text() == "old"


def test_atomic_write_keeps_the_old_content_when_the_block_raises(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")

    with contextlib.suppress(ZeroDivisionError), files.atomic_write(path) as handle:
        handle.write(b"new")
        raise ZeroDivisionError

    assert (path.read_text(), names(tmp_path)) == ("old", ["out.txt"])


def test_atomic_write_gives_the_mode_that_the_umask_asks_for(tmp_path: Path, umask: None) -> None:
    files.write_text(tmp_path / "out.txt", "new")

    assert (tmp_path / "out.txt").stat().st_mode & 0o777 == 0o640


def test_atomic_write_takes_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    files.write_text(tmp_path / LONG_NAME, "new")

    assert names(tmp_path) == [LONG_NAME]


def test_atomic_write_on_a_full_disk_keeps_the_old_content_and_leaves_no_part(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(path)], preexec_fn=fill_disk, capture_output=True, text=True
    )

    assert done.stdout == f"{path}: cannot be written (File too large); choose another place or free some space\n"
    assert (path.read_text(), names(tmp_path)) == ("old", ["out.bin"])


def test_atomic_write_below_a_file_says_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")

    with pytest.raises(OutputError, match=r"file/out\.txt: cannot be written \(a file is in the way\)"):
        files.write_text(tmp_path / "file" / "out.txt", "new")


def test_atomic_write_over_a_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    with pytest.raises(OutputError, match=r"out: cannot be written"):
        files.write_text(tmp_path / "out", "new")
    assert names(tmp_path) == ["out"]


def test_prepare_folder_makes_the_folder_and_leaves_it_empty(tmp_path: Path) -> None:
    assert names(files.prepare_folder(tmp_path / "a" / "b")) == []


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/none"])
def test_prepare_folder_refuses_a_place_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match="cannot be written"):
        files.prepare_folder(tmp_path / place)


def test_staged_folder_appears_whole_with_its_last_file(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    with files.staged_folder(target) as staged:
        files.write_text(staged / "manifest.json", "new")
        assert not target.exists()

    assert (target / "manifest.json").read_text() == "new"
    assert names(tmp_path) == ["bundle"]


def test_staged_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = make_folder(tmp_path / "bundle", "old")
    (target / "stale").touch()
    with files.staged_folder(target) as staged:
        files.write_text(staged / "manifest.json", "new")

    assert (target / "manifest.json").read_text() == "new"
    assert (names(target), names(tmp_path)) == (["manifest.json"], ["bundle"])


def test_staged_folder_keeps_the_old_one_whole_when_the_block_raises(tmp_path: Path) -> None:
    target = make_folder(tmp_path / "bundle", "old")

    with contextlib.suppress(ZeroDivisionError), files.staged_folder(target) as staged:
        files.write_text(staged / "manifest.json", "new")
        raise ZeroDivisionError

    assert (target / "manifest.json").read_text() == "old"
    assert (names(target), names(tmp_path)) == (["manifest.json"], ["bundle"])


def test_staged_folder_keeps_the_old_one_whole_when_the_process_is_killed(tmp_path: Path) -> None:
    target = make_folder(tmp_path / "bundle", "old")
    subprocess.run([sys.executable, "-c", DYING_STAGER, str(target)], check=False)
    assert len(names(tmp_path)) == 2

    files.sweep_temporaries(tmp_path)

    assert (target / "manifest.json").read_text() == "old"
    assert names(tmp_path) == ["bundle"]


def test_staged_folder_exchanges_where_the_system_has_no_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cxr_edge.system.files.sys.platform", "elsewhere")
    target = make_folder(tmp_path / "bundle", "old")
    with files.staged_folder(target) as staged:
        files.write_text(staged / "manifest.json", "new")

    assert (target / "manifest.json").read_text() == "new"
    assert names(tmp_path) == ["bundle"]


def test_staged_folder_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")

    with pytest.raises(OutputError, match="notes: is a file"), files.staged_folder(tmp_path / "notes"):
        pass
    assert (tmp_path / "notes").read_text() == "mine"


def test_staged_folder_goes_where_a_link_leads(tmp_path: Path) -> None:
    make_folder(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to("real")
    with files.staged_folder(tmp_path / "link") as staged:
        files.write_text(staged / "manifest.json", "new")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "manifest.json").read_text() == "new"


def test_staged_folder_below_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match="a file is in the way"), files.staged_folder(tmp_path / "file" / "bundle"):
        pass


def test_staged_folder_sweeps_what_a_dead_writer_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / f".cxr-edge-tmp-{ended_pid()}-0").mkdir()
    with files.staged_folder(tmp_path / "bundle"):
        pass

    assert names(tmp_path) == ["bundle"]


def test_sweep_temporaries_leaves_a_live_writers_file(tmp_path: Path) -> None:
    with files.atomic_write(tmp_path / "out.txt") as handle:
        handle.write(b"new")
        files.sweep_temporaries(tmp_path)

    assert (tmp_path / "out.txt").read_text() == "new"


@pytest.mark.parametrize("owner", ["", "x", "²", "9" * 40])
def test_sweep_temporaries_removes_a_file_of_nobodys(tmp_path: Path, owner: str) -> None:
    (tmp_path / f".cxr-edge-tmp-{owner}-0").touch()
    files.sweep_temporaries(tmp_path)

    assert names(tmp_path) == []


def test_sweep_temporaries_removes_a_dead_writers_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").touch()
    (tmp_path / f".cxr-edge-tmp-{ended_pid()}-0").touch()
    files.sweep_temporaries(tmp_path)

    assert names(tmp_path) == ["kept.txt"]


def test_sweep_temporaries_removes_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    make_folder(tmp_path / "mine", "mine")
    (tmp_path / f".cxr-edge-tmp-{ended_pid()}-0").symlink_to("mine")
    files.sweep_temporaries(tmp_path)

    assert (names(tmp_path), names(tmp_path / "mine")) == (["mine"], ["manifest.json"])


def test_read_capped_gives_a_file_of_the_limit(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"1234")

    assert files.read_capped(tmp_path / "in", 4) == b"1234"


def test_read_capped_refuses_a_file_over_the_limit(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"12345")

    with pytest.raises(UnsafeFileError, match="larger than the limit"):
        files.read_capped(tmp_path / "in", 4)


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("none", "does not exist"),
        (".", "is a folder"),
        ("pipe", "is no regular file"),
        ("n" * 300, "File name too long"),
    ],
)
def test_read_capped_says_why_there_is_nothing_to_read(tmp_path: Path, name: str, fact: str) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(DataError, match=fact):
        files.read_capped(tmp_path / name, 4)


@pytest.mark.parametrize("text", ["", "{", '{"a": NaN}', "[-Infinity]", "\xff", "[" * 100_000])
def test_read_json_refuses_what_is_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "in.json").write_bytes(text.encode("latin-1"))

    with pytest.raises(DataError, match="not valid JSON"):
        files.read_json(tmp_path / "in.json")


def test_write_json_gives_the_same_bytes_for_the_same_value(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"b": 1, "a": [2.5, None]})
    files.write_json(tmp_path / "b.json", {"a": [2.5, None], "b": 1})

    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert files.read_json(tmp_path / "a.json") == {"a": [2.5, None], "b": 1}


def test_sha256_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"abc" * 1_000_000)

    assert files.sha256_file(tmp_path / "in") == files.sha256_bytes(b"abc" * 1_000_000)
    # The standard's own example.
    assert files.sha256_bytes(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_sha256_of_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        files.sha256_file(tmp_path / "none")
