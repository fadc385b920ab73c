"""Small archives for tests: films of one grey each, so that the hand-made models' answers are known."""

from __future__ import annotations

import io
import tarfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from PIL import Image

from cxr_edge.archive.members import Member
from cxr_edge.archive.reading import Reader


def film(grey: int = 64) -> bytes:
    """A PNG of one grey."""
    sink = io.BytesIO()
    Image.new("L", (224, 224), grey).save(sink, "PNG", compress_level=1)
    return sink.getvalue()


def write_folder(folder: Path, count: int) -> Path:
    """A folder of `count` films, in subfolders of ten."""
    for index in range(count):
        path = folder / f"{index // 10:03}" / f"{index:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(film(index % 256))
    return folder


def write_zip(path: Path, contents: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


def write_tar(path: Path, contents: Mapping[str, bytes], mode: Any = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def read_all(root: Path, members: list[Member]) -> dict[str, bytes]:
    """The members' contents by path."""
    with Reader(root) as reader:
        return {member.path: reader.read(member) for member in members}


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """All rows of the shards in a folder, in their order."""
    rows: list[dict[str, Any]] = []
    for shard in sorted(folder.glob("part-*.parquet")):
        rows += parquet.read_table(shard, partitioning=None).to_pylist()
    return rows


def shard_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("part-*.parquet"))}


def wait_for_shards(folder: Path, count: int, limit_s: float = 60) -> dict[str, bytes]:
    """Wait until a run has written so many shards, and return them."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        found = shard_bytes(folder) if folder.exists() else {}
        if len(found) >= count:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{len(found)} of {count} shards came")
