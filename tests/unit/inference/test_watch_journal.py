"""The journal of a watch: what it keeps over a restart, a torn line, a lock and a full disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cxr_edge.errors import OutputError, UsageError
from cxr_edge.inference.watch_journal import Journal, default_path, name_film

A, B = name_film(Path("/films/a.png"), 10, 1), name_film(Path("/films/b.png"), 10, 1)


def test_a_film_is_still_done_after_a_restart(tmp_path: Path) -> None:
    with Journal(tmp_path / "state" / "journal") as journal:
        journal.add(A)
    with Journal(tmp_path / "state" / "journal") as journal:
        assert (A in journal, B in journal, len(journal)) == (True, False, 1)


def test_a_torn_line_is_no_film_and_spoils_none(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        journal.add(A)
        journal.add(B)
    content = (tmp_path / "journal").read_bytes()
    (tmp_path / "journal").write_bytes(content[:-10])

    with Journal(tmp_path / "journal") as journal:
        assert (A in journal, B in journal) == (True, False)
        journal.add(B)
    with Journal(tmp_path / "journal") as journal:
        assert (A in journal, B in journal, len(journal)) == (True, True, 2)


def test_lines_that_are_no_films_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"\0\xff\n" + A.hex().encode() + b"\n" + b"0" * 33 + b"\n")

    with Journal(tmp_path / "journal") as journal:
        assert len(journal) == 1


def test_a_journal_tells_no_name_of_a_film(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        journal.add(name_film(Path("/films/DOE^JANE.png"), 10, 1))

    assert b"DOE" not in (tmp_path / "journal").read_bytes()


def test_two_watches_cannot_share_a_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal"), pytest.raises(UsageError, match="another watch is writing to it"):
        Journal(tmp_path / "journal")


def test_a_journal_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OutputError, match=r"name another with --journal"):
        Journal(tmp_path / "file" / "journal")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal, Path("/dev/full").open("wb") as full:
        os.dup2(full.fileno(), journal._file)
        with pytest.raises(OutputError, match="No space left"):
            journal.add(A)

        assert A not in journal


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero on this system")
def test_a_journal_has_to_be_a_regular_file() -> None:
    with pytest.raises(OutputError, match="is no regular file"):
        Journal(Path("/dev/zero"))


@pytest.mark.parametrize("other", [("/films/b.png", 10, 1), ("/films/a.png", 11, 1), ("/films/a.png", 10, 2)])
def test_another_path_size_or_time_is_another_film(other: tuple[str, int, int]) -> None:
    assert name_film(Path(other[0]), *other[1:]) != A


def test_the_default_journal_is_the_folders_own_whatever_their_order(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"

    assert default_path([first, second]) == default_path([second, first])
    assert default_path([first]) != default_path([second])
