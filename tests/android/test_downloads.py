"""Downloads are used only when they are the file that was tested."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from android_demo.apk import downloads, pins
from android_demo.apk.downloads import Pin
from android_demo.apk.tools import BuildError
from cxr_edge.system.files import sha256_bytes


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("CXR_EDGE_ANDROID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_file_in_the_cache_is_not_fetched_again(cache: Path) -> None:
    cache.mkdir()
    (cache / "file").write_bytes(b"whole")
    pin = Pin("file", "npm", "no-such-package@0", sha256_bytes(b"whole"), "a test's own")
    assert downloads.fetch(pin).read_bytes() == b"whole"


def test_damaged_file_in_the_cache_is_fetched_again_and_another_one_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir()
    (cache / "file").write_bytes(b"damaged")
    monkeypatch.setitem(downloads._CLIENTS, "npm", lambda pin, folder: b"fetched")
    pin = Pin("file", "npm", "a-package@1", sha256_bytes(b"fetched"), "a test's own")
    assert downloads.fetch(pin).read_bytes() == b"fetched"
    with pytest.raises(BuildError, match="sha256"):
        downloads.fetch(dataclasses.replace(pin, sha256="0" * 64))
    assert (cache / "file").read_bytes() == b"fetched"


def test_package_that_cannot_be_fetched_is_an_error_of_one_line(cache: Path) -> None:
    pin = dataclasses.replace(pins.BUNDLETOOL, name="other.jar", source="./no-such-wheel-0.whl")
    with pytest.raises(BuildError, match="no-such-wheel"):
        downloads.fetch(pin)
