"""Mutants of each format harm nobody: no crash here, nothing over 10 s, one line for each that is refused."""

from __future__ import annotations

import contextlib
import json
import lzma
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.errors import BundleError, PreflightError, SandboxError
from cxr_edge.preflight.check import check_artifact
from cxr_edge.sandbox.runtime import run_in_sandbox
from tests.fuzz import mutants, seeds
from tests.fuzz.run import dies, run
from tests.fuzz.shrink import differences, shrink
from tests.support import models

MUTANTS = 500
CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("format", mutants.FORMATS)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_mutants_harm_nobody(format: str) -> None:
    tally = run(format, range(MUTANTS))

    assert tally.mutants == MUTANTS
    assert tally.late == {}
    # A model's process may die, which is what it is for; the check leaves few that make it.
    assert len(tally.deaths) <= (2 if format in ("tflite", "onnx") else 0), tally.deaths
    # Mutants that are all refused, or none, would test nothing.
    assert tally.answered > 10
    assert tally.refused > 100


@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_models_without_the_check_harm_nobody_either(format: str) -> None:
    tally = run(format, range(100), checked=False)

    assert (tally.mutants, tally.refused, tally.late) == (100, 0, {})
    assert tally.failed > 10


def test_a_mutant_is_known_by_its_number() -> None:
    for format in mutants.FORMATS:
        assert mutants.make(format, 7) == mutants.make(format, 7)
        assert len({mutants.make(format, number) for number in range(20)}) > 10


def test_what_mutants_are_made_of_is_sound() -> None:
    for content in (models.tflite(), seeds.shipped_tflite()):
        check_artifact(content, "tflite", "model")
    for content in (models.onnx(), seeds.onnx_layers()):
        check_artifact(content, "onnx", "model")
    pixels = np.full((1, 224, 224, 3), 100, np.uint8)
    assert run_in_sandbox(seeds.onnx_layers(), "onnx", pixels, name="model").outputs["heatmap"].shape == (1, 49)


def read_corpus() -> dict[str, bytes]:
    """Return what once killed LiteRT 2.3.0: small files, and patches of the shipped model without its weights."""
    found = {path.name: path.read_bytes() for path in sorted(CORPUS.glob("*.tflite"))}
    skeleton = lzma.decompress((CORPUS / "skeleton.tflite.xz").read_bytes())
    for name, changes in json.loads((CORPUS / "patches.json").read_text()).items():
        content = bytearray(skeleton)
        for place, value in changes:
            content[place : place + len(value) // 2] = bytes.fromhex(value)
        found[name] = bytes(content)
    return found


@pytest.mark.parametrize("name", read_corpus())
def test_what_once_killed_a_runtime_is_refused_and_kills_no_more_than_its_sandbox(name: str) -> None:
    content = read_corpus()[name]
    with pytest.raises(PreflightError):
        check_artifact(content, "tflite", name)
    # A later runtime may refuse it, or even run it; this process goes on in any case.
    with contextlib.suppress(SandboxError):
        run_in_sandbox(content, "tflite", np.zeros((1, 224, 224, 3), np.uint8), name=name)


def test_what_killed_a_process_is_shrunk_to_what_did() -> None:
    name = "scale 2365 times too large"
    ((start, _),) = json.loads((CORPUS / "patches.json").read_text())[name]
    base = lzma.decompress((CORPUS / "skeleton.tflite.xz").read_bytes())
    killer = bytearray(read_corpus()[name])
    # A further change that does no harm: a byte in the middle of the weights.
    killer[1_000_000] ^= 7
    small = shrink(bytes(killer), base, lambda content: dies(content, "tflite"))

    assert len(differences(bytes(killer), base)) == 2
    assert [first // 4 for first, _ in differences(small, base)] == [start // 4]


def test_a_changed_byte_anywhere_in_a_bundle_is_found(tmp_path: Path) -> None:
    bundle = Bundle(tmp_path, Bundle.read(default_bundle_path()).manifest)
    rng = random.Random(0)
    for name in (*bundle.manifest.artifacts, *bundle.manifest.files):
        content = bytearray((default_bundle_path() / name).read_bytes())
        for _ in range(20):
            place = rng.randrange(len(content))
            changed = 1 << rng.randrange(8)
            content[place] ^= changed
            (tmp_path / name).write_bytes(content)
            with pytest.raises(BundleError, match="sha256 differs"):
                bundle.artifact_bytes(
                    bundle.artifact(name)
                ) if name in bundle.manifest.artifacts else bundle.file_bytes(name)
            content[place] ^= changed


def test_a_mutant_shows_a_user_no_traceback(tmp_path: Path, nothing_made_here: None) -> None:
    for format, name in {"png": "film.png", "jpeg": "film.jpg", "dicom": "film.dcm"}.items():
        (tmp_path / name).write_bytes(mutants.make(format, 3))
    models.write_bundle(tmp_path / "evil", {"model_float32.tflite": mutants.make("tflite", 3)})
    for arguments in (["classify", str(tmp_path)], ["classify", str(tmp_path), "--model", str(tmp_path / "evil")]):
        done = subprocess.run([sys.executable, "-m", "cxr_edge", *arguments], capture_output=True, text=True)

        assert done.returncode in (0, 1, 4)
        assert "Traceback" not in done.stdout + done.stderr
