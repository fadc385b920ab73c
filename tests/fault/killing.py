"""Writers that are killed, or that run out of disk, at any point of their work, and what they leave.

    python -m tests.fault.killing WRITER FOLDER POINTS SEED

Prepares the writer once, which may take a minute, and forks for each point: the fork is killed by SIGKILL at some call
to the file system, or in the middle of a write by a limit on the size of its files whose signal ends it as abruptly.
Then the disk is full at every file in turn. Prints a line of JSON a point.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.errors import OutputError
from cxr_edge.system.files import sha256_bytes, sweep_temporaries, write_bytes

__all__ = ["WRITERS", "Writer", "main"]

# What Python tells of before it does it; between two of these lies all that a writer does to files.
_EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "os.listdir")
_TEMPORARY = ".cxr-edge-tmp-"


class Writer(Protocol):
    """What is killed. `write` does its work in a folder, once more over the old one."""

    def write(self, folder: Path, *, version: int) -> None:
        """Do the work for version 0 or 1."""
        ...

    def read(self, folder: Path) -> int:
        """Return the version that is there, proved to be whole; -1 for nothing. Raises for anything torn."""
        ...


class ExportWriter:
    """`cxr-edge export`, from what a real conversion made to the bundle in its place."""

    def __init__(self) -> None:
        from cxr_edge.export import pipeline

        captured: list[tuple[Any, ...]] = []
        self._write: Callable[..., Bundle] = pipeline._write

        def capture(*arguments: Any) -> Bundle:
            captured.append(arguments)
            return self._write(*arguments)

        vars(pipeline)["_write"] = capture
        options = pipeline.ExportOptions(formats=("tflite",))
        scratch = Path(sys.argv[2]) / "first"
        pipeline.export(Bundle.read(default_bundle_path()), options, scratch)
        shutil.rmtree(scratch)
        (self._arguments,) = captured

    def write(self, folder: Path, *, version: int) -> None:
        """See `Writer`: the version is the export's key."""
        bundle, made, films, _, options, _ = self._arguments
        self._write(bundle, made, films, f"version {version}", options, folder / "bundle")

    def read(self, folder: Path) -> int:
        """See `Writer`."""
        if not (folder / "bundle").exists():
            return -1
        bundle = Bundle.read(folder / "bundle")
        for artifact in bundle.manifest.artifacts.values():
            bundle.artifact_bytes(artifact)
        for name in bundle.manifest.files:
            bundle.file_bytes(name)
        return int(bundle.manifest.provenance["export"]["key"].removeprefix("version "))


class CheckpointWriter:
    """The checkpoint of `cxr-edge train`."""

    def write(self, folder: Path, *, version: int) -> None:
        """See `Writer`: the version is the epoch."""
        from cxr_edge.training.checkpoint import Checkpoint

        weights = [np.full((100, 1000), number + version, np.float32) for number in range(4)]
        Checkpoint(folder / ".checkpoint" / "checkpoint.npz", epoch=version, weights=weights).write("run")

    def read(self, folder: Path) -> int:
        """See `Writer`."""
        from cxr_edge.training.checkpoint import Checkpoint

        if not (folder / ".checkpoint" / "checkpoint.npz").exists():
            return -1
        found = Checkpoint.read(folder / ".checkpoint" / "checkpoint.npz", "run")
        if [float(array.mean()) for array in found.weights] != [number + found.epoch for number in range(4)]:
            raise ValueError("the weights are of another epoch")
        return found.epoch


class ReportWriter:
    """The report of `cxr-edge bench` in all its forms; each file is whole, and the JSON file comes first."""

    def __init__(self) -> None:
        import dataclasses

        from tests.support import benches

        first = benches.make_result()
        self._results = [dataclasses.replace(first, duration_s=float(version)) for version in (0, 1)]

    def write(self, folder: Path, *, version: int) -> None:
        """See `Writer`: the version is the duration."""
        from cxr_edge.benchmarks.report import report_files as report

        report.write(self._results[version], folder)

    def read(self, folder: Path) -> int:
        """See `Writer`."""
        from xml.etree import ElementTree

        from cxr_edge.benchmarks.report import report_files as report

        ends = {report.HTML_NAME: "</html>", report.CSV_NAME: "", report.MARKDOWN_NAME: ""}
        for name, end in ends.items():
            if (folder / name).exists() and not (folder / name).read_text().rstrip().endswith(end):
                raise ValueError(f"{name} is torn")
        if (folder / report.JUNIT_NAME).exists():
            ElementTree.parse(folder / report.JUNIT_NAME)
        if not (folder / report.JSON_NAME).exists():
            return -1
        return int(report.read(folder).duration_s)


class ScoreWriter:
    """A shard of `cxr-edge score`; its rows are encoded before the fork, since pyarrow's threads do not go along."""

    def __init__(self) -> None:
        from cxr_edge.archive import shards

        manifest = Bundle.read(default_bundle_path()).manifest
        artifact = manifest.artifacts["model_int8.tflite"]
        self._contents = []
        for version in (0, 1):
            run = shards.describe_run(manifest, artifact, f"{version}" * 64, 1)
            rows = [
                shards.Row(f"{number}.png", sha256_bytes(f"{number} {version}".encode()), (0.25, 0.75), "noncovid")
                for number in range(1000)
            ]
            self._contents.append(shards.encode(rows, run, 0))

    def write(self, folder: Path, *, version: int) -> None:
        """See `Writer`: the version is in the run's description."""
        from cxr_edge.archive.shards import shard_name

        write_bytes(folder / shard_name(0), self._contents[version])

    def read(self, folder: Path) -> int:
        """See `Writer`."""
        from cxr_edge.archive.shards import shard_name, tally

        if not (folder / shard_name(0)).exists():
            return -1
        if tally(folder).films != 1000:
            raise ValueError("films are missing")
        return self._contents.index((folder / shard_name(0)).read_bytes())


WRITERS: dict[str, Callable[[], Writer]] = {
    "export": ExportWriter,
    "checkpoint": CheckpointWriter,
    "report": ReportWriter,
    "score": ScoreWriter,
}


def main() -> None:
    """Kill a writer at many points, or fill its disk, and print what became of it."""
    name, folder, points, seed = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    folder.mkdir(parents=True, exist_ok=True)
    writer = WRITERS[name]()
    events, sizes = _measure(writer, folder)
    rng = random.Random(seed)
    for point in range(int(points)):
        if point % 2:
            _report(writer, folder, "byte", rng.randrange(1, max(sizes)))
        else:
            _report(writer, folder, "call", rng.randrange(sum(events.values())))
    for number in range(events["open"]):
        _report(writer, folder, "full", number)


def _report(writer: Writer, folder: Path, kind: str, point: int) -> None:
    harm = {"byte": _die_in_a_write, "call": _die_at, "full": _fill_disk}[kind]
    result = _try(writer, folder, lambda: harm(point))
    print(json.dumps({"kind": kind, "point": point} | result), flush=True)


def _measure(writer: Writer, folder: Path) -> tuple[dict[str, int], list[int]]:
    """Return how many events of each kind the second version takes, and the sizes of its files."""
    work = folder / "measured"
    work.mkdir()
    writer.write(work, version=0)
    reading, writing = os.pipe()
    if os.fork() == 0:
        counts = dict.fromkeys(_EVENTS, 0)

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            if _is_write(event, arguments):
                counts[event] += 1

        sys.addaudithook(count)
        writer.write(work, version=1)
        os.write(writing, json.dumps(counts).encode())
        os._exit(0)
    os.wait()
    counts = json.loads(os.read(reading, 65536))
    sizes = [path.stat().st_size for path in work.rglob("*") if path.is_file()]
    shutil.rmtree(work)
    return counts, sizes


def _is_write(event: str, arguments: tuple[Any, ...]) -> bool:
    if event not in _EVENTS:
        return False
    # Python's own modules are read too.
    return event != "open" or (isinstance(arguments[1], str) and arguments[1][:1] in "wxa")


def _die_at(number: int) -> None:
    left = [number]

    def die(event: str, arguments: tuple[Any, ...]) -> None:
        if _is_write(event, arguments):
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

    sys.addaudithook(die)


def _die_in_a_write(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _fill_disk(number: int) -> None:
    left = [number]

    def fill(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and _is_write(event, arguments):
            if not left[0]:
                resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))
            left[0] -= 1

    sys.addaudithook(fill)


def _try(writer: Writer, folder: Path, harm: Callable[[], None]) -> dict[str, Any]:
    """Write the second version over the first in a fork that comes to harm, and return what is there then."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    writer.write(work, version=0)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        harm()
        try:
            writer.write(work, version=1)
        except OutputError as error:
            os.write(writing, str(error).encode())
            os._exit(3)
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    said = os.read(reading, 65536).decode()
    os.close(reading)
    found = writer.read(work)
    # What a killed writer left: beside the work, for the next one to sweep.
    left = _list_temporaries(work)
    writer.write(work, version=1)
    with contextlib.suppress(FileNotFoundError):
        for parent in {path.parent for path in work.rglob("*")} | {work}:
            sweep_temporaries(parent)
    return {
        "ended": -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status),
        "said": said,
        "found": found,
        "left": left,
        "again": writer.read(work),
        "left_again": _list_temporaries(work),
    }


def _list_temporaries(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob(f"{_TEMPORARY}*")]


if __name__ == "__main__":
    main()
