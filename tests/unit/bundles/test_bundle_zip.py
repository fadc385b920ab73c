"""A bundle in a .zip is unpacked whole, or refused before anything of it is where it should not be."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_edge.bundles import bundle_zip
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import MANIFEST_NAME
from cxr_edge.errors import BundleError, CxrEdgeError, UnsafeFileError
from tests.support import models

MODEL = "model_float32.tflite"


@pytest.fixture
def contents(brightness_bundle: Bundle) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in brightness_bundle.path.iterdir()}


def pack(contents: dict[str, bytes], *, prefix: str = "", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as made:
        for name, content in contents.items():
            made.writestr(prefix + name, content)
    return held.getvalue()


def add(content: bytes, name: str, data: bytes = b"x", **changes: int) -> bytes:
    """Return the .zip with one entry more."""
    held = io.BytesIO(content)
    with zipfile.ZipFile(held, "a", zipfile.ZIP_DEFLATED) as made:
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_DEFLATED
        for key, value in changes.items():
            setattr(entry, key, value)
        made.writestr(entry, data)
    return held.getvalue()


@pytest.mark.parametrize("prefix", ["", "mine/"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_bundle_in_a_zip_reads_like_its_folder(
    brightness_bundle: Bundle, contents: dict[str, bytes], tmp_path: Path, prefix: str, method: int
) -> None:
    (tmp_path / "mine.zip").write_bytes(pack(contents, prefix=prefix, method=method))
    read = Bundle.read(tmp_path / "mine.zip")

    assert read.manifest == brightness_bundle.manifest
    assert read.archive == tmp_path / "mine.zip"
    assert {path.name: path.read_bytes() for path in read.path.iterdir()} == contents
    assert read.artifact_bytes(read.artifact("float32")) == models.tflite()


def test_a_folder_entry_is_no_file(contents: dict[str, bytes], tmp_path: Path) -> None:
    content = add(pack(contents, prefix="mine/"), "mine/", b"")

    assert set(bundle_zip.unpack(content, tmp_path / "out", "mine.zip").artifacts) == {
        MODEL,
        "model_float32.onnx",
    }


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], type[CxrEdgeError], str]] = {
    "a path upwards": (lambda c: add(c, "../evil"), UnsafeFileError, "several folders"),
    "only a path upwards": (lambda c: add(b"", "../manifest.json"), UnsafeFileError, "several folders"),
    "an absolute path": (lambda c: add(c, "/etc/evil"), UnsafeFileError, "leads out of it"),
    "a drive": (lambda c: add(c, "C:evil"), UnsafeFileError, "leads out of it"),
    "a backslash": (lambda c: add(c, "..\\evil"), UnsafeFileError, "leads out of it"),
    "a deep folder": (lambda c: add(c, "a/b/evil"), UnsafeFileError, "several folders"),
    "a file of its own": (lambda c: add(c, "evil.py"), UnsafeFileError, "'evil.py', which its manifest.json does not"),
    "a link": (lambda c: add(c, MODEL + "x", b"/etc/passwd", external_attr=0o120777 << 16), UnsafeFileError, "a link"),
    "a device": (lambda c: add(c, "null", external_attr=(stat.S_IFCHR | 0o666) << 16), UnsafeFileError, "a link or no"),
    "a name in capitals": (lambda c: add(c, MODEL.upper()), UnsafeFileError, "twice"),
    "a bomb": (lambda c: add(c, "bomb", bytes(2**20)), UnsafeFileError, "grows more than 100 times"),
    "many files": (lambda c: many(c), UnsafeFileError, "holds more than 64 files"),
    "no zip": (lambda c: b"PK\3\4 no zip", BundleError, "is no sound .zip"),
    "nothing": (lambda c: b"", BundleError, "is no sound .zip"),
    "half a zip": (lambda c: c[: len(c) // 2], BundleError, "is no sound .zip"),
}


def many(content: bytes) -> bytes:
    for number in range(65):
        content = add(content, f"file{number}")
    return content


@pytest.mark.parametrize("what", HOSTILE)
def test_a_zip_is_refused_for(contents: dict[str, bytes], tmp_path: Path, what: str) -> None:
    make, error, fact = HOSTILE[what]
    (tmp_path / "out").mkdir()
    with pytest.raises(error, match="mine.zip: .*" + fact):
        bundle_zip.unpack(make(pack(contents)), tmp_path / "out", "mine.zip")

    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(contents: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(UnsafeFileError, match=r"holds 'manifest\.json' twice"):
        bundle_zip.unpack(add(pack(contents), MANIFEST_NAME), tmp_path, "mine.zip")


def test_more_than_64_mib_are_refused_before_they_are_unpacked(
    contents: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_zip, "MAX_BYTES", sum(map(len, contents.values())) - 1)
    with pytest.raises(UnsafeFileError, match="unpacks to more than"):
        bundle_zip.unpack(pack(contents), tmp_path, "mine.zip")


def test_a_zip_larger_than_the_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "mine.zip").open("wb") as sparse:
        sparse.truncate(bundle_zip.MAX_BYTES + 1)
    with pytest.raises(UnsafeFileError, match="larger than the limit of 64 MiB"):
        Bundle.read(tmp_path / "mine.zip")


def test_a_size_that_lies_is_no_way_in(contents: dict[str, bytes], tmp_path: Path) -> None:
    content = bytearray(add(pack(contents), "bomb", bytes(2**20)))
    place = content.rfind((2**20).to_bytes(4, "little"))
    content[place : place + 4] = (10).to_bytes(4, "little")
    with pytest.raises((BundleError, UnsafeFileError), match=r"mine\.zip"):
        bundle_zip.unpack(bytes(content), tmp_path, "mine.zip")


def test_a_file_with_another_hash_is_refused(contents: dict[str, bytes], tmp_path: Path) -> None:
    changed = bytearray(contents[MODEL])
    changed[100] ^= 1
    with pytest.raises(BundleError, match=f"mine.zip: {MODEL}: sha256 differs"):
        bundle_zip.unpack(pack(contents | {MODEL: bytes(changed)}), tmp_path, "mine.zip")


@pytest.mark.parametrize("name", [MANIFEST_NAME, MODEL])
def test_a_zip_without_one_of_its_files_is_refused(contents: dict[str, bytes], tmp_path: Path, name: str) -> None:
    del contents[name]
    with pytest.raises(BundleError, match=name):
        bundle_zip.unpack(pack(contents), tmp_path, "mine.zip")
    assert not (tmp_path / MANIFEST_NAME).exists()


def test_a_manifest_that_is_no_json_is_refused(contents: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"mine\.zip: manifest\.json: not valid JSON"):
        bundle_zip.unpack(pack(contents | {MANIFEST_NAME: b"{"}), tmp_path, "mine.zip")
