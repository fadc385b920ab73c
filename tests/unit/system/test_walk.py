"""The one walk: what it finds, what it leaves out, and what it says of folders that it cannot list."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cxr_edge.archive.survey import list_members
from cxr_edge.data.dataset import open_dataset
from cxr_edge.inference.sources import find_images
from cxr_edge.phantom.sets import write_folder
from cxr_edge.system.walk import walk

HIDDEN = (".ipynb_checkpoints", ".Trash-1000", "__MACOSX", ".cache/deep")


def fill(folder: Path) -> None:
    """Put an image into a folder, and copies of it where no walk is to look."""
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "image.png").write_bytes(b"image")
    (folder / "deep" / "._image.png").write_bytes(b"image")
    for name in HIDDEN:
        (folder / name).mkdir(parents=True)
        (folder / name / "copy.png").write_bytes(b"image")


def refuse(place: str, error: OSError) -> None:
    raise error


def test_walk_leaves_out_what_is_hidden(tmp_path: Path) -> None:
    fill(tmp_path)
    assert [entry.name for entry in walk(tmp_path, refuse)] == ["image.png"]


def test_walk_follows_links_to_files_and_not_to_folders(tmp_path: Path) -> None:
    fill(tmp_path / "real")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link.png").symlink_to(tmp_path / "real" / "deep" / "image.png")
    (tmp_path / "here" / "folder.png").symlink_to(tmp_path / "real")
    assert [entry.name for entry in walk(tmp_path / "here", refuse)] == ["link.png"]


def test_walk_tells_of_a_folder_that_cannot_be_listed_and_goes_on(tmp_path: Path) -> None:
    fill(tmp_path)
    faults: dict[str, OSError] = {}
    found = []
    for entry in walk(tmp_path, faults.__setitem__):
        found.append(entry.name)
    for _ in walk(tmp_path / "none", faults.__setitem__):
        pass
    assert found == ["image.png"]
    assert list(faults) == [os.fspath(tmp_path / "none")]


def test_classify_and_score_leave_out_the_same(tmp_path: Path) -> None:
    fill(tmp_path)
    assert [path.name for path in find_images([tmp_path])] == ["image.png"]
    assert [member.place for member in list_members(tmp_path)] == ["deep/image.png"]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_data_set_takes_no_hidden_copies(tmp_path: Path, hidden: str) -> None:
    listed = write_folder(tmp_path / "drawn", {"train": 40, "val": 4, "test": 4})
    images = sorted(listed.parent.rglob("*.png"))
    for number, label in enumerate(("covid", "noncovid")):
        (tmp_path / "set" / label).mkdir(parents=True)
        for image in images[number * 20 : number * 20 + 20]:
            (tmp_path / "set" / label / image.name).write_bytes(image.read_bytes())
    before = len(open_dataset(tmp_path / "set").items)
    (tmp_path / "set" / "covid" / hidden).mkdir(parents=True)
    (tmp_path / "set" / "covid" / hidden / "copy.png").write_bytes(images[30].read_bytes())

    assert before == len(open_dataset(tmp_path / "set").items) == 40
