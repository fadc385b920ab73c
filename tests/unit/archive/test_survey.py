"""What an archive is said to hold: folders, manifests, lists, and containers among them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cxr_edge.archive.members import Member
from cxr_edge.archive.reading import Reader
from cxr_edge.archive.survey import list_members, root_of
from cxr_edge.errors import DataError, ImageError, UnsafeFileError
from cxr_edge.imaging.limits import MAX_FILE_BYTES
from cxr_edge.inference.sources import find_images
from tests.support.archives import film, read_all, write_folder, write_tar, write_zip


def paths(archive: Path) -> list[str]:
    return sorted(member.path for member in list_members(archive))


def test_a_folder_holds_what_classify_finds_in_it(tmp_path: Path) -> None:
    write_folder(tmp_path, 25)
    for name in (".hidden.png", "notes.txt", "scan.DCM"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".sync").mkdir()
    (tmp_path / ".sync" / "a.png").write_bytes(b"x")
    (tmp_path / "link.png").symlink_to(tmp_path / "scan.DCM")
    (tmp_path / "loop").symlink_to(tmp_path)

    assert paths(tmp_path) == [path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path])]


def test_containers_in_a_folder_are_looked_into(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", {"in/1.png": b"one", "in/": b"", "in/read.me": b"x"})
    write_tar(tmp_path / "b.tar.gz", {"./2.png": b"two"}, "w:gz")

    assert read_all(tmp_path, list(list_members(tmp_path))) == {"a.zip/in/1.png": b"one", "b.tar.gz/./2.png": b"two"}


@pytest.mark.parametrize("name", ["films.zip", "films.tar", "films.tgz", "films.tar.bz2", "films.txz"])
def test_a_container_alone_is_an_archive(tmp_path: Path, name: str) -> None:
    contents = {f"{number}.png": film(number) for number in range(30)}
    modes = {"films.tar": "w", "films.tgz": "w:gz", "films.tar.bz2": "w:bz2", "films.txz": "w:xz"}
    if name == "films.zip":
        write_zip(tmp_path / name, contents)
    else:
        write_tar(tmp_path / name, contents, modes[name])
    members = list(list_members(tmp_path / name))

    found = read_all(root_of(tmp_path / name), members)
    assert found == {f"{name}/{inner}": content for inner, content in contents.items()}


def test_a_list_has_a_film_a_line_relative_to_itself_whatever_their_names(tmp_path: Path) -> None:
    write_zip(tmp_path / "more.zip", {"z.png": b"z"})
    (tmp_path / "odd name").write_bytes(b"a")
    (tmp_path / "elsewhere").write_bytes(b"b")
    (tmp_path / "list.txt").write_text(f"odd name\r\n\n{tmp_path}/elsewhere\nmore.zip\n")

    found = read_all(tmp_path, list(list_members(tmp_path / "list.txt")))
    assert found == {"odd name": b"a", f"{tmp_path}/elsewhere": b"b", "more.zip/z.png": b"z"}


def test_a_manifest_gives_its_column_path_and_nothing_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text('class, Path\ncovid,"a,1.png"\ncovid,../secret.png\ncovid\n')
    outside, inside = sorted(list_members(tmp_path / "manifest.csv"), key=lambda member: member.path)

    assert inside == Member("a,1.png")
    assert (outside.path, "leads out" in outside.fault) == ("../secret.png", True)


def test_names_that_are_no_utf8_are_read_and_survive_the_plan(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/f\xfflm.png"
    try:
        Path(os.fsdecode(raw)).write_bytes(b"film")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (member,) = list_members(tmp_path)

    assert list(read_all(tmp_path, [Member.from_line(member.to_line())]).values()) == [b"film"]


@pytest.mark.parametrize(
    "member",
    [
        Member("a/b.png"),
        Member("a.tar", "tar", 'x/"é".png', 1536, 99),
        Member("a.zip", "zip", "1.png", 2**40, 5, 8, 0xFFFFFFFF),
        Member("a.zip", "fault", "1.png", fault="is encrypted"),
    ],
)
def test_a_line_keeps_all_of_a_member(member: Member) -> None:
    assert Member.from_line(member.to_line()) == member


def test_a_folder_that_cannot_be_listed_is_a_fault_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, 20)
    original = os.scandir

    def refuse(path: Path) -> object:
        # Permissions do not stop root, who runs many a test.
        if Path(path).name == "001":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(os, "scandir", refuse)
    members = list(list_members(tmp_path))

    assert [member.fault for member in members if member.path == "001"] == [
        "cannot be listed (Permission denied); check its permissions"
    ]
    assert sum(member.kind == "file" for member in members) == 10


@pytest.mark.parametrize(
    ("name", "content", "fact"),
    [
        ("list.txt", b"\x7fELF\0\0", "is no list of paths"),
        ("films.csv", b"file,class\n", "has no column 'path'"),
        ("films.csv", b"path\n\xff\xfe\n", "not valid CSV in UTF-8"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, name: str, content: bytes, fact: str) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError, match=fact):
        list(list_members(tmp_path / name))


def test_an_archive_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        list_members(tmp_path / "gone")


def test_a_file_that_cannot_be_read_is_named_by_its_path_in_the_archive(tmp_path: Path) -> None:
    with (tmp_path / "vast.png").open("wb") as handle:
        handle.truncate(MAX_FILE_BYTES + 1)
    reader = Reader(tmp_path)

    with pytest.raises(ImageError, match=r"^gone\.png: does not exist"):
        reader.read(Member("gone.png"))
    with pytest.raises(UnsafeFileError, match=r"^vast\.png: larger than"):
        reader.read(Member("vast.png"))
