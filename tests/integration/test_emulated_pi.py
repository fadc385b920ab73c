"""The installed command on an emulated 64-bit Arm: the same rows, and the same pixels bit for bit, as here."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_edge.benchmarks.devices.emulation.userland import Userland
from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.errors import CxrEdgeError
from cxr_edge.imaging import decoder
from cxr_edge.inference.classify import choose_artifact, classify
from cxr_edge.phantom.radiograph import render

PIXELS = """
import hashlib, sys
from pathlib import Path
from cxr_edge.imaging import decoder
from cxr_edge.errors import CxrEdgeError

for name in sys.argv[1:]:
    try:
        print(hashlib.sha256(decoder.read(Path(name)).pixels.tobytes()).hexdigest())
    except CxrEdgeError as error:
        print(error)
"""


@pytest.fixture(scope="module")
def package(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as pip would."""
    folder = tmp_path_factory.mktemp("package")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A film in every form that is read without an extra: formats, depths, colours, orientations, sizes."""
    folder = tmp_path_factory.mktemp("films")
    film = Image.fromarray(render(1, "covid").pixels)
    large = film.resize((701, 533), Image.Resampling.BICUBIC)
    tinted = Image.merge("RGB", (large, large.point(lambda grey: grey // 2), large.rotate(90, expand=False)))
    deep = np.asarray(large).astype(np.uint16) * 16 + 3
    turned = Image.Exif()
    turned[0x0112] = 6
    large.save(folder / "grey.png")
    film.save(folder / "small.png")
    Image.fromarray(deep).save(folder / "deep.png")
    tinted.save(folder / "colour.png")
    tinted.quantize(64).save(folder / "palette.png")
    large.save(folder / "grey.jpg", quality=85)
    large.save(folder / "turned.jpg", exif=turned)
    large.save(folder / "progressive.jpg", progressive=True)
    tinted.save(folder / "colour.jpg", subsampling=2)
    tinted.convert("CMYK").save(folder / "cmyk.jpg")
    tinted.save(folder / "lossy.webp", quality=70)
    large.save(folder / "lossless.webp", lossless=True)
    (folder / "cut.jpg").write_bytes((folder / "grey.jpg").read_bytes()[:4000])
    return sorted(folder.iterdir())


def emulate(userland: Userland, package: Path, *arguments: str, more: tuple[Path, ...] = ()) -> tuple[str, int]:
    command = [*userland.python("a72", path=[package, *more]), *arguments]
    # From another folder than the tree's, whose package is not the one to be tried.
    done = subprocess.run(command, cwd=package, env={"PATH": os.environ["PATH"]}, capture_output=True, timeout=300)
    # 1 is the code of a command that met a film which cannot be read; a traceback has it too.
    assert done.returncode == 0 or (done.returncode == 1 and not done.stderr), done.stderr.decode()
    return done.stdout.decode(), done.returncode


def read_here(film: Path) -> str:
    try:
        return hashlib.sha256(decoder.read(film).pixels.tobytes()).hexdigest()
    except CxrEdgeError as error:
        return str(error)


def test_the_installed_command_answers_there_as_here(
    arm64_userland: Userland, package: Path, films: list[Path]
) -> None:
    # A few, for the network takes seconds there.
    films = [film for film in films if film.name in ("cut.jpg", "colour.jpg", "deep.png", "lossy.webp")]
    text, code = emulate(arm64_userland, package, "-m", "cxr_edge", "classify", *map(str, films), "--json")
    rows = [json.loads(line) for line in text.splitlines()]
    bundle = Bundle.read(default_bundle_path())
    here = list(classify(bundle, choose_artifact(bundle), films))

    # cut.jpg is among them: a row with its error, and the exit code says so.
    assert code == 1
    assert [(row["path"], row["label"], row["error"]) for row in rows] == [
        (str(row.path), row.label, row.error) for row in here
    ]
    assert [tuple(row["warnings"]) for row in rows] == [row.warnings for row in here]
    # The head is in float32, whose sums each processor's kernels round otherwise.
    for there, row in zip(rows, here, strict=True):
        assert there["probability"] == pytest.approx(row.probability, abs=2e-6)
        assert there["typicality"] == pytest.approx(row.typicality, abs=2e-3)


def test_the_pixels_are_the_same_there_as_here(arm64_userland: Userland, package: Path, films: list[Path]) -> None:
    text, _ = emulate(arm64_userland, package, "-c", PIXELS, *map(str, films))

    assert dict(zip(films, text.splitlines(), strict=True)) == {film: read_here(film) for film in films}


def test_the_pixels_of_odd_inputs_are_the_same_there_as_here(
    arm64_userland: Userland, package: Path, real_data: Path
) -> None:
    odd = [film for film in sorted((real_data / "odd").iterdir()) if film.suffix in (".png", ".jpg", ".jpeg", ".webp")]
    text, _ = emulate(arm64_userland, package, "-c", PIXELS, *map(str, odd))

    assert len(odd) > 5
    assert dict(zip(odd, text.splitlines(), strict=True)) == {film: read_here(film) for film in odd}


def test_the_pixels_of_dicom_films_are_the_same_there_as_here(
    arm64_userland: Userland, package: Path, real_data: Path, tmp_path: Path
) -> None:
    pydicom = pytest.importorskip("pydicom", reason="the extra 'dicom' is not installed")
    # pydicom has no compiled part, so this machine's will do; gdcm has, so the compressed films are left out.
    for part in Path(pydicom.__file__).parents[1].glob("pydicom*"):
        (tmp_path / part.name).symlink_to(part)
    odd = sorted((real_data / "odd").glob("*.dcm"))
    text, _ = emulate(arm64_userland, package, "-c", PIXELS, *map(str, odd), more=(tmp_path,))
    read = {film: line for film, line in zip(odd, text.splitlines(), strict=True) if "needs the extra" not in line}

    assert len(read) > 3
    assert read == {film: read_here(film) for film in read}
