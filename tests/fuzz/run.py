"""Thousands of mutants of each format, and what became of them.

    python -m tests.fuzz.run [--mutants N] [--seed N] [--unchecked] [FORMAT...]

Models are checked and then opened and run in the sandbox's own process, films are decoded in a process of their own,
manifests and .zip files here. What kills a process or takes longer than 10 s is written to build/fuzz. With --unchecked
models go to the runtime without the check, which shows what the check is worth.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cxr_edge.bundles import bundle_zip
from cxr_edge.bundles.manifest import Manifest
from cxr_edge.errors import BundleError, CxrEdgeError, PreflightError, SandboxError
from cxr_edge.imaging import decoder
from cxr_edge.preflight.check import check_artifact
from cxr_edge.processes.limits import STRICT, Limits, impose
from cxr_edge.processes.messages import pack, to_npy
from cxr_edge.sandbox.process import SandboxProcess
from tests.fuzz import mutants, seeds
from tests.fuzz.shrink import shrink
from tests.support import models

__all__ = ["Tally", "dies", "run"]

TOO_LONG_S = 10.0

_MODELS = ("tflite", "onnx")
_FILMS = ("png", "jpeg", "dicom")
# Mutants of one process; what it leaks goes with it.
_DECODER_LIMITS = Limits(memory_bytes=4 * 2**30, cpu_s=3600, files=64)


@dataclass
class Tally:
    """What became of the mutants of one format; `deaths` and `late` are their numbers, and how they ended."""

    format: str
    mutants: int = 0
    refused: int = 0
    failed: int = 0
    answered: int = 0
    slowest_s: float = 0.0
    deaths: dict[int, str] = field(default_factory=dict)
    late: dict[int, str] = field(default_factory=dict)

    def add(self, number: int, outcome: str, took_s: float, error: str = "") -> None:
        """Count one mutant. Raises ValueError for an error that is not one line of plain text."""
        if outcome != "answered" and (not error.strip() or "\n" in error or "Traceback" in error):
            raise ValueError(f"{self.format} mutant {number}: its error is no line for a user: {error!r}")
        self.mutants += 1
        self.slowest_s = max(self.slowest_s, took_s)
        if took_s > TOO_LONG_S:
            self.late[number] = f"{took_s:.0f} s"
        if outcome == "died":
            self.deaths[number] = error
        else:
            setattr(self, outcome, getattr(self, outcome) + 1)


def run(format: str, numbers: Iterable[int], *, seed: int = 0, checked: bool = True) -> Tally:
    """Return what became of the mutants of these numbers. An exception that is none of ours goes through."""
    tally = Tally(format)
    if format in _MODELS:
        _run_models(tally, numbers, seed, checked)
    elif format in _FILMS:
        _run_films(tally, list(numbers), seed)
    else:
        for number in numbers:
            _count(tally, number, seed, _READERS[format])
    return tally


def _run_models(tally: Tally, numbers: Iterable[int], seed: int, checked: bool) -> None:
    film = pack({"task": "run"}, to_npy(np.full((1, 224, 224, 3), 100, np.uint8)))
    child: SandboxProcess | None = None
    for number in numbers:
        content = mutants.make(tally.format, number, seed)
        start_s = time.monotonic()
        if checked:
            try:
                check_artifact(content, tally.format, "mutant")
            except PreflightError as error:
                tally.add(number, "refused", time.monotonic() - start_s, str(error))
                continue
        child = child or SandboxProcess("mutant", STRICT)
        opening = {"task": "open", "format": tally.format, "name": "mutant", "threads": 1}
        try:
            child.ask(pack(opening, content))
            answer = child.ask(film)
            tally.add(number, "answered", time.monotonic() - start_s)
            spent = answer.header["cpu_s"] > STRICT.cpu_s / 2
        except SandboxError as error:
            spent = not child.is_running()
            tally.add(number, "died" if spent else "failed", time.monotonic() - start_s, str(error))
        if spent:
            child.close()
            child = None
    if child is not None:
        child.close()


def _count(tally: Tally, number: int, seed: int, read: Callable[[bytes], object]) -> None:
    content = mutants.make(tally.format, number, seed)
    start_s = time.monotonic()
    try:
        read(content)
        tally.add(number, "answered", time.monotonic() - start_s)
    except CxrEdgeError as error:
        tally.add(number, "refused", time.monotonic() - start_s, str(error))


def _read_manifest(content: bytes) -> object:
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"not valid JSON ({error})") from error
    return Manifest.from_json(value, where="manifest.json")


def _read_zip(content: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        bundle = bundle_zip.unpack(content, Path(folder) / "out", "mutant.zip")
        # Nothing beside the folder that it was to be unpacked to.
        if [path.name for path in Path(folder).iterdir()] != ["out"]:
            raise AssertionError("a mutant wrote outside of its folder")
        return bundle


_READERS: dict[str, Callable[[bytes], object]] = {"manifest": _read_manifest, "zip": _read_zip}


def _run_films(tally: Tally, numbers: list[int], seed: int) -> None:
    """Decode in other processes, each of which goes on behind the mutant that killed the one before."""
    while numbers:
        command = [sys.executable, "-m", "tests.fuzz.run", "--decode", tally.format, "--seed", str(seed)]
        with tempfile.TemporaryFile("w+") as asked:
            asked.write("\n".join(map(str, numbers)))
            asked.seek(0)
            child = subprocess.run(command, stdin=asked, stdout=subprocess.PIPE, text=True)
        answers = [json.loads(line) for line in child.stdout.splitlines()]
        for number, outcome, took_s, error in answers:
            tally.add(number, outcome, took_s, error)
        numbers = numbers[len(answers) :]
        if child.returncode and numbers:
            tally.add(numbers.pop(0), "died", 0.0, f"ended with code {child.returncode}")


def _decode(format: str, numbers: Iterable[str], seed: int) -> Iterator[str]:
    impose(_DECODER_LIMITS)
    for text in numbers:
        number, tally = int(text), Tally(format)
        error = ""
        start_s = time.monotonic()
        try:
            decoder.read(mutants.make(format, number, seed), name="mutant")
        except CxrEdgeError as caught:
            error = str(caught)
        tally.add(number, "refused" if error else "answered", 0.0, error)
        yield json.dumps([number, "refused" if error else "answered", time.monotonic() - start_s, error])


def dies(content: bytes, format: str) -> bool:
    """Return whether a model kills the process that it runs in."""
    child = SandboxProcess("mutant", STRICT)
    try:
        child.ask(pack({"task": "open", "format": format, "name": "mutant", "threads": 1}, content))
        child.ask(pack({"task": "run"}, to_npy(np.full((1, 224, 224, 3), 100, np.uint8))))
    except SandboxError:
        return not child.is_running()
    finally:
        child.close()
    return False


def _keep(tally: Tally, seed: int, folder: Path) -> None:
    """Write what killed its process or took too long, for the corpus; a model without the changes that do no harm."""
    for number in (*tally.deaths, *tally.late):
        folder.mkdir(parents=True, exist_ok=True)
        content = mutants.make(tally.format, number, seed)
        for base in (models.tflite(), seeds.shipped_tflite(), models.onnx(), seeds.onnx_layers()):
            if tally.format in _MODELS and len(base) == len(content):
                content = shrink(content, base, lambda less: dies(less, tally.format))
        (folder / f"{tally.format}-{seed}-{number}").write_bytes(content)


def main() -> None:
    """Run the mutants that the command line asks for and print a line a format."""
    parser = argparse.ArgumentParser(description="What becomes of mutants of each format.")
    parser.add_argument("formats", nargs="*", default=list(mutants.FORMATS))
    parser.add_argument("--mutants", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--unchecked", action="store_true")
    parser.add_argument("--decode", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.decode:
        for line in _decode(asked.decode, sys.stdin, asked.seed):
            print(line, flush=True)
        return
    print("format    mutants  refused   failed  answered  deaths  over 10 s  slowest", flush=True)
    bad = False
    for format in asked.formats:
        tally = run(format, range(asked.mutants), seed=asked.seed, checked=not asked.unchecked)
        print(
            f"{format:<8} {tally.mutants:8} {tally.refused:8} {tally.failed:8} {tally.answered:9} "
            f"{len(tally.deaths):7} {len(tally.late):10} {tally.slowest_s:7.2f}s",
            flush=True,
        )
        _keep(tally, asked.seed, Path("build", "fuzz"))
        for number, text in (tally.deaths | tally.late).items():
            print(f"  {format} {number}: {text}", file=sys.stderr)
        # A model that kills its sandbox is what the sandbox is for; a film or a list of files has none.
        bad |= bool(tally.late) or (format not in _MODELS and bool(tally.deaths))
    sys.exit(bad)


if __name__ == "__main__":
    main()
