"""Bad inputs and bad places, through the real command line: one clear line, the exit code, and no partial file."""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import MANIFEST_NAME
from tests.support import models

Run = Callable[..., subprocess.CompletedProcess[str]]

DISK_BYTES = 8192
FULL = Path("/dev/full")
STATUS = Path("/proc/self/status")
# The command line, which at its end says what the process took.
MEASURED = f"""
import atexit, pathlib, sys
from cxr_edge.cli.main import main

atexit.register(lambda: sys.stderr.write(pathlib.Path("{STATUS}").read_text()))
main()
"""
BUNDLE = ("--model", "brightness")


def fill_disk() -> None:
    """Let no file of this process grow over DISK_BYTES: writing then fails half-way, as on a full disk."""
    # Python ignores the signal that would end the process, so that the write itself fails.
    resource.setrlimit(resource.RLIMIT_FSIZE, (DISK_BYTES, DISK_BYTES))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width: int, height: int) -> bytes:
    """Return a PNG of a hundred bytes whose header claims a large picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def film_bytes(kind: str) -> bytes:
    """Return a noisy film, which no format makes much smaller than 64 KiB."""
    noise = np.random.default_rng(0).integers(0, 256, (256, 256), dtype=np.uint8)
    path = Path(f"noise.{kind}")
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.unlink()
    return content


@pytest.fixture
def place(tmp_path: Path, brightness_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: the bundle `brightness` and a film."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.png").write_bytes(film_bytes("png"))
    return tmp_path


@pytest.fixture
def run(place: Path) -> Run:
    def command(*arguments: str, full: bool = False, stdout: Path | None = None) -> subprocess.CompletedProcess[str]:
        # A limited process could not write Python's own caches whole either.
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        with (stdout or Path(os.devnull)).open("w") as sink:
            return subprocess.run(
                [sys.executable, "-m", "cxr_edge.cli.main", *arguments],
                stdout=sink if stdout else subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                preexec_fn=fill_disk if full else None,
                text=True,
                timeout=60,
                check=False,
            )

    return command


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_one_line(done: subprocess.CompletedProcess[str], code: int, fact: str) -> None:
    assert fact in done.stderr
    assert done.stderr.startswith("cxr-edge: ")
    assert done.stderr.count("\n") == 1
    assert done.returncode == code


BAD_FILMS: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "text.png": (lambda: b"no film at all", 1, "a text file, not an image"),
    "empty.png": (lambda: b"", 1, "the file is empty"),
    "zeros.png": (lambda: bytes(5000), 1, "not an image of a known format"),
    "cut.png": (lambda: film_bytes("png")[:20_000], 1, "the PNG data are damaged or cut short"),
    "cut.jpg": (lambda: film_bytes("jpg")[:9_000], 1, "the JPEG data are damaged or cut short"),
    "head.jpg": (lambda: film_bytes("jpg")[:20], 1, "the JPEG data are damaged or cut short"),
    "huge.png": (lambda: png_claiming(30_000, 30_000), 4, "30000 x 30000 pixels is 900 megapixels, over the limit"),
    "wide.png": (lambda: png_claiming(2**31 - 1, 2**31 - 1), 4, "megapixels, over the limit"),
}


@pytest.mark.parametrize("name", BAD_FILMS)
def test_explain_refuses_a_bad_film_in_one_line(run: Run, place: Path, name: str) -> None:
    make, code, fact = BAD_FILMS[name]
    (place / name).write_bytes(make())
    before = files_below(place)
    done = run("explain", name, *BUNDLE, "--out", "map.png")

    assert_one_line(done, code, f"{name}: ")
    assert fact in done.stderr
    assert (done.stdout, files_below(place)) == ("", before)


def test_classify_gives_every_bad_film_a_row_with_its_error(run: Run, place: Path) -> None:
    for name, (make, _, _) in BAD_FILMS.items():
        (place / name).write_bytes(make())
    done = run("classify", *BAD_FILMS, "film.png", *BUNDLE, "--json", "--heatmap", "maps")
    *bad, good = map(json.loads, done.stdout.splitlines())

    assert (done.returncode, done.stderr, good["error"]) == (1, "", None)
    assert [row["label"] for row in bad] == [None] * len(BAD_FILMS)
    for row, (name, (_, _, fact)) in zip(bad, BAD_FILMS.items(), strict=True):
        assert row["error"].startswith(f"{name}: ")
        assert fact in row["error"]
    assert os.listdir("maps") == ["film_heatmap.png"]


@pytest.mark.skipif(not STATUS.exists(), reason="this system does not say how much memory a process took")
def test_a_film_that_claims_900_megapixels_costs_no_memory(place: Path) -> None:
    (place / "huge.png").write_bytes(png_claiming(30_000, 30_000))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "classify", "huge.png", *BUNDLE], capture_output=True, text=True, check=False
    )
    peak = next(line for line in done.stderr.splitlines() if line.startswith("VmHWM"))

    assert "900 megapixels" in done.stdout
    # Its pixels alone would take 879 MiB.
    assert int(peak.split()[1]) < 300 * 1024


@pytest.mark.parametrize("missing", ["gone.png", "gone/", "film.png/below.png"])
def test_classify_names_a_film_that_is_not_there(run: Run, missing: str) -> None:
    done = run("classify", missing, *BUNDLE)

    assert_one_line(done, 1, "does not exist")


def test_classify_refuses_a_folder_without_films(run: Run, place: Path) -> None:
    (place / "empty").mkdir()

    assert_one_line(run("classify", "empty", *BUNDLE), 1, "empty: has no image files")


@pytest.mark.parametrize(
    ("name", "content", "fact"),
    [
        ("model_int8.tflite", b"these are notes, not a model", "it lacks the TFL3 mark"),
        ("model_int8.tflite", b"\x1c\0\0\0TFL3 and no more", "lies outside the file"),
        ("model_int8.tflite", models.tflite()[:-100], "reaches beyond the end"),
        ("model_int8.onnx", b"these are notes, not a model", "of a kind that is not taken"),
    ],
)
def test_classify_refuses_an_artifact_that_is_no_model(
    run: Run, place: Path, name: str, content: bytes, fact: str
) -> None:
    models.write_bundle(place / "notes", {name: content})
    done = run("classify", "film.png", "--model", "notes")

    assert_one_line(done, 4, fact)
    assert done.stdout == ""


def test_classify_refuses_a_bundle_with_one_changed_byte(run: Run, place: Path) -> None:
    path = place / "brightness" / "model_float32.tflite"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)

    assert_one_line(run("classify", "film.png", *BUNDLE), 1, "model_float32.tflite: sha256 differs from manifest.json")


def test_classify_refuses_a_bundle_whose_artifact_is_gone(run: Run, place: Path) -> None:
    (place / "brightness" / "model_float32.tflite").unlink()

    assert_one_line(run("classify", "film.png", *BUNDLE), 1, "model_float32.tflite: does not exist")


@pytest.mark.parametrize("text", ["", '{"schema": 1}', "[]", '{"schema": 99}'])
def test_classify_refuses_a_bundle_with_a_broken_manifest(run: Run, place: Path, text: str) -> None:
    (place / "brightness" / MANIFEST_NAME).write_text(text)

    assert_one_line(run("classify", "film.png", *BUNDLE), 1, MANIFEST_NAME)


def test_classify_refuses_a_manifest_that_leads_out_of_the_bundle(run: Run, place: Path) -> None:
    path = place / "brightness" / MANIFEST_NAME
    path.write_text(path.read_text().replace('"model_float32.tflite"', '"../film.png"'))

    assert_one_line(run("classify", "film.png", *BUNDLE), 1, "names '../film.png', which is no plain file name")


@pytest.mark.parametrize("command", ["bench", "export"])
def test_bench_and_export_refuse_what_is_no_bundle(run: Run, place: Path, command: str) -> None:
    (place / "empty").mkdir()

    assert_one_line(run(command, "empty"), 1, "empty: has no manifest.json")


@pytest.mark.parametrize("where", ["film.png/map.png", "/proc/map.png", "/dev/null/map.png"])
def test_explain_into_an_unwritable_place_leaves_nothing(run: Run, place: Path, where: str) -> None:
    before = files_below(place)
    done = run("explain", "film.png", *BUNDLE, "--out", where)

    assert_one_line(done, 1, f"{where}: cannot be written")
    assert files_below(place) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("classify", "film.png", *BUNDLE, "--heatmap", "film.png/maps"),
        ("bench", "brightness", "--out", "film.png/report"),
        ("bench", "brightness", "--out", "/proc/report"),
    ],
)
def test_an_unwritable_folder_is_found_before_any_work(run: Run, place: Path, arguments: tuple[str, ...]) -> None:
    before = files_below(place)
    done = run(*arguments)

    assert_one_line(done, 1, f"{arguments[-1]}: cannot be written")
    assert (done.stdout, files_below(place)) == ("", before)


def test_phantom_into_an_unwritable_folder_ends_with_its_reason(run: Run, place: Path) -> None:
    before = files_below(place)
    done = run("phantom", "--out", "film.png/simulated")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("cxr-edge: film.png/simulated")
    assert "Traceback" not in done.stderr
    assert files_below(place) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_explain_into_a_folder_without_permission_leaves_nothing(run: Run, place: Path) -> None:
    (place / "locked").mkdir(mode=0o500)

    assert_one_line(run("explain", "film.png", *BUNDLE, "--out", "locked/map.png"), 1, "Permission denied")


def test_explain_on_a_full_disk_leaves_the_old_picture_and_no_part_of_the_new(run: Run, place: Path) -> None:
    (place / "map.png").write_bytes(b"old")
    before = files_below(place)
    done = run("explain", "film.png", *BUNDLE, "--out", "map.png", full=True)

    assert_one_line(done, 1, "map.png: cannot be written (File too large)")
    assert files_below(place) == before


def test_classify_heatmap_on_a_full_disk_leaves_no_part_of_a_picture(run: Run, place: Path) -> None:
    before = files_below(place)
    done = run("classify", "film.png", *BUNDLE, "--heatmap", "maps", full=True)

    assert_one_line(done, 1, "film_heatmap.png: cannot be written (File too large)")
    assert files_below(place) == before


def test_phantom_on_a_full_disk_leaves_no_part_of_a_film(run: Run, place: Path) -> None:
    done = run("phantom", "--out", "simulated", full=True)
    left = [path for path in (place / "simulated").rglob("*") if path.is_file()]

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("cxr-edge: simulated")
    assert "Traceback" not in done.stderr
    assert not any(path.name.startswith(".cxr-edge-tmp") or path.stat().st_size == DISK_BYTES for path in left)


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        ("classify", "film.png", *BUNDLE),
        ("classify", "film.png", *BUNDLE, "--csv"),
        ("classify", "film.png", *BUNDLE, "--json"),
        ("explain", "film.png", *BUNDLE, "--out", "map.png"),
        ("--help",),
        ("classify", "--help"),
    ],
)
def test_results_that_go_to_a_full_disk_end_with_one_line(run: Run, arguments: tuple[str, ...]) -> None:
    assert_one_line(run(*arguments, stdout=FULL), 1, "standard output: No space left on device")


def test_ctrl_c_ends_with_130_and_one_line(place: Path) -> None:
    command = [sys.executable, "-m", "cxr_edge.cli.main", "phantom", "--out", "simulated"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not any((place / "simulated").rglob("*.png")) and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=30)

    assert child.returncode == 130
    assert errors.splitlines()[-1] == "cxr-edge: stopped; what was finished is kept"
    assert "Traceback" not in errors
