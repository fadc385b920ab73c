"""Zips and tars, whole, damaged and made to do harm."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import pytest

from cxr_edge.archive import tars, zips
from cxr_edge.archive.members import Member
from cxr_edge.archive.reading import Reader
from cxr_edge.archive.scoring import Partition, Scorer
from cxr_edge.archive.survey import list_members
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.errors import ImageError, UnsafeFileError
from cxr_edge.imaging.limits import MAX_FILE_BYTES
from cxr_edge.inference.classify import choose_artifact
from cxr_edge.models import read_model
from tests.support.archives import film, read_all, write_tar, write_zip


def members_of(path: Path) -> list[Member]:
    return sorted(list_members(path), key=lambda member: (member.offset, member.path))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_members_have_the_bytes_that_were_put_in(tmp_path: Path, method: int) -> None:
    contents = {"a.png": b"", "é/b.png": film(7), "../../c.png": b"c" * 10_000, "/etc/d.png": b"d"}
    path = write_zip(tmp_path / "f.zip", contents, method)

    assert read_all(tmp_path, members_of(path)) == {f"f.zip/{name}": data for name, data in contents.items()}
    assert sorted(item.name for item in tmp_path.rglob("*")) == ["f.zip"]


@pytest.mark.slow
def test_a_zip_of_more_members_than_16_bits_count_is_listed_whole(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        for number in range(70_000):
            archive.writestr(zipfile.ZipInfo(f"{number}.png"), b"%d" % number)
    members = list(zips.list_members(tmp_path / "f.zip", "f.zip"))

    assert len({member.path for member in members}) == 70_000
    assert read_all(tmp_path, members[-1:]) == {"f.zip/69999.png": b"69999"}


def test_offsets_and_sizes_beyond_32_bits_come_from_the_zip64_field(tmp_path: Path) -> None:
    content, name, far = b"film", b"a.png", 5 * 2**30
    crc = zlib.crc32(content)
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0, 0, 0, 0, crc, 4, 4, len(name), 0) + name + content
    extra = struct.pack("<HHQ", 1, 8, far)
    entry = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 45, 45, 0, 0, 0, 0, crc, 4, 4, len(name), len(extra), 0, 0, 0, 0, 0xFFFFFFFF
    )
    start = far + len(local)
    size = len(entry) + len(name) + len(extra)
    with (tmp_path / "far.zip").open("wb") as handle:
        handle.seek(far)
        handle.write(local + entry + name + extra)
        handle.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, start))
        handle.write(struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1))
        handle.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 0xFFFFFFFF, 0xFFFFFFFF, 0))

    assert read_all(tmp_path, members_of(tmp_path / "far.zip")) == {"far.zip/a.png": content}


def test_a_zip_behind_other_bytes_is_read(tmp_path: Path) -> None:
    plain = write_zip(tmp_path / "f.zip", {"a.png": b"film"}).read_bytes()
    (tmp_path / "f.zip").write_bytes(b"#!/bin/sh\n" * 9 + plain)

    assert read_all(tmp_path, members_of(tmp_path / "f.zip")) == {"f.zip/a.png": b"film"}


@pytest.mark.slow
def test_a_zip_bomb_is_an_error_of_that_film(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.png", "w") as sink:
        for _ in range(MAX_FILE_BYTES // 2**22 + 1):
            sink.write(bytes(2**22))
    (member,) = members_of(tmp_path / "b.zip")

    with Reader(tmp_path) as reader, pytest.raises(UnsafeFileError, match="unpacks to more than 256 MiB"):
        reader.read(member)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (lambda data: data.replace(b"film", b"FILM", 1), "its checksum in the zip differs"),
        (lambda data: data.replace(b"PK\3\4", b"PK\0\0", 1), "no member begins there"),
    ],
)
def test_a_damaged_member_is_an_error_of_that_film(tmp_path: Path, change: object, fact: str) -> None:
    path = write_zip(tmp_path / "f.zip", {"a.png": b"film", "b.png": b"whole"}, zipfile.ZIP_STORED)
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    bad, good = members_of(path)

    with Reader(tmp_path) as reader:
        with pytest.raises(ImageError, match=fact):
            reader.read(bad)
        assert reader.read(good) == b"whole"


def test_links_and_odd_packing_in_a_zip_are_faults(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("lzma.png", b"x", zipfile.ZIP_LZMA)
        archive.writestr("__MACOSX/._a.png", b"x")
        archive.writestr(".git/b.png", b"x")

    assert {member.name: member.fault.split(",")[0] for member in members_of(tmp_path / "f.zip")} == {
        "link.png": "is a link",
        "lzma.png": "is packed by method 14",
    }


def test_an_encrypted_member_is_a_fault(tmp_path: Path) -> None:
    data = bytearray(write_zip(tmp_path / "f.zip", {"a.png": b"film"}).read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "f.zip").write_bytes(data)

    assert members_of(tmp_path / "f.zip")[0].fault.startswith("is encrypted")


@pytest.mark.parametrize("size", [0, 10, 300, -1])
def test_a_zip_that_is_cut_short_is_one_fault(tmp_path: Path, size: int) -> None:
    path = write_zip(tmp_path / "f.zip", {f"{number}.png": b"x" * 50 for number in range(8)})
    path.write_bytes(path.read_bytes()[:size])
    (member,) = members_of(path)

    assert (member.path, member.kind) == ("f.zip", "fault")
    assert "cannot be listed to its end" in member.fault


def test_links_devices_and_sparse_files_in_a_tar_are_faults(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "f.tar", "w") as archive:
        for name, kind in (("s.png", tarfile.SYMTYPE), ("h.png", tarfile.LNKTYPE), ("d.png", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "../../etc/passwd"
            archive.addfile(info)

    assert {member.name: member.fault.split(",")[0] for member in members_of(tmp_path / "f.tar")} == {
        "s.png": "is a link",
        "h.png": "is a link",
        "d.png": "is no regular file",
    }


def test_a_name_that_is_in_a_tar_twice_is_two_films(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "f.tar", "w") as archive:
        for content in (b"old", b"new"):
            info = tarfile.TarInfo("../a.png")
            info.size = 3
            archive.addfile(info, io.BytesIO(content))

    with Reader(tmp_path) as reader:
        assert [reader.read(member) for member in members_of(tmp_path / "f.tar")] == [b"old", b"new"]


@pytest.mark.parametrize("cut", [-1024, -10_000, 700])
def test_what_a_tar_holds_before_it_is_cut_short_is_listed_with_one_fault(tmp_path: Path, cut: int) -> None:
    path = write_tar(tmp_path / "f.tar", {f"{number}.png": film(number) for number in range(20)})
    whole = path.read_bytes().rstrip(b"\0") + bytes(1024)
    path.write_bytes(whole[:cut])
    members = members_of(path)

    assert [member.path for member in members if member.kind == "fault"] == ["f.tar"]
    assert 0 < len(members) <= 21


def test_a_damaged_header_in_the_middle_of_a_tar_is_told_of(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "f.tar", {"a.png": b"a", "b.png": b"b", "c.png": b"c"})
    data = bytearray(path.read_bytes())
    data[1024:1100] = b"\xff" * 76
    path.write_bytes(data)

    assert [(member.path, member.kind) for member in members_of(path)] == [("f.tar", "fault"), ("f.tar/a.png", "tar")]


def test_a_worker_unpacks_a_packed_tar_once_whatever_its_partitions(
    tmp_path: Path, brightness_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tar(tmp_path / "f.tar.gz", {f"{number}.png": film(number) for number in range(50)}, "w:gz")
    members = [Member.from_line(line) for line in sorted(member.to_line() for member in members_of(path))]
    opened: list[Path] = []
    original = tars.open_stream

    def open_stream(path: Path) -> BinaryIO:
        opened.append(path)
        return original(path)

    monkeypatch.setattr(tars, "open_stream", open_stream)
    model = read_model(brightness_bundle, choose_artifact(brightness_bundle))
    scorer = Scorer(model, brightness_bundle.manifest, tmp_path)
    scorer.open()
    rows = [row for at in range(0, 50, 10) for row in scorer.run(Partition(at, members[at : at + 10]))]
    scorer.close()

    assert [row.error for row in rows] == [None] * 50
    assert opened == [path]
    assert [member.offset for member in members] == sorted(member.offset for member in members)


@pytest.mark.slow
def test_a_packed_tar_that_would_fill_a_disk_is_not_read_on(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as archive:
        for name in ("a.png", "b.png", "c.png", "d.png"):
            info = tarfile.TarInfo(name)
            info.size = 120 * 2**20
            archive.addfile(info, _Zeros())
    members = members_of(tmp_path / "bomb.tar.gz")

    assert [member.fault.count("unpacks to far more") for member in members if member.kind == "fault"] == [1]
    assert [member.name for member in members if member.kind == "tar"] == ["a.png", "b.png", "c.png"]


class _Zeros(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        return bytes(size)


def test_a_header_that_claims_to_be_vast_takes_no_memory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 4 * 2**30
    (tmp_path / "f.tar").write_bytes(info.tobuf() + bytes(2**16))
    tracemalloc.start()
    (member,) = members_of(tmp_path / "f.tar")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "a header is larger than a header can be" in member.fault
    assert peak < 8 * 2**20


@pytest.mark.parametrize("name", ["f.zip", "f.tar", "f.tar.gz", "f.tar.xz"])
def test_no_damage_of_a_container_raises_anything_but_faults_and_image_errors(tmp_path: Path, name: str) -> None:
    contents = {f"{number}.png": b"film %d" % number * 40 for number in range(6)}
    modes = {"f.tar": "w", "f.tar.gz": "w:gz", "f.tar.xz": "w:xz"}
    path = tmp_path / name
    whole = (write_tar(path, contents, modes[name]) if name in modes else write_zip(path, contents)).read_bytes()
    chance, read = random.Random(name), 0
    for _ in range(250):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.choice((0, 255, chance.randrange(256)))
        path.write_bytes(damaged[: chance.choice((len(damaged), chance.randrange(len(damaged))))])
        with Reader(tmp_path) as reader:
            for member in list_members(path):
                with contextlib.suppress(ImageError, UnsafeFileError):
                    read += bool(reader.read(member))
    assert read > 0
