"""The plan of a run: every film of the archive, sorted and cut into partitions, on the disk.

It is made once, so that a run that goes on has the same partitions, and is read a partition at a time. Sorting takes
the disk's space and not memory: lines are sorted some at a time, and the sorted runs are merged.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import itertools
import os
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cxr_edge.archive.members import Member
from cxr_edge.errors import DataError
from cxr_edge.system import files

__all__ = ["PLAN_NAME", "SCHEMA", "Listing", "Plan", "make", "read", "survey_digest"]

SCHEMA = 1
PLAN_NAME = "_plan"

_STEP = 50
_MAX_SHARD_FILMS = 1000
# Enough partitions that the last ones do not leave most workers idle.
_WANTED_PARTITIONS = 64
_RUN_LINES = 20_000
_MAX_RUNS = 128


@dataclass(frozen=True)
class Listing:
    """How many members a listing had, and a SHA-256 that does not depend on their order."""

    members: int
    sha256: str


@dataclass(frozen=True)
class Plan:
    """The films of a run: how many, how many a partition, and where in the file each partition starts, in bytes."""

    path: Path
    films: int
    shard_films: int
    listing: Listing
    starts: tuple[int, ...]

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return len(self.starts)

    @property
    def sha256(self) -> str:
        """What tells this plan from others: the hash of the listing and of how it is cut."""
        return files.sha256_bytes(f"{self.listing.sha256} {self.films} {self.shard_films}".encode())

    def size_of(self, index: int) -> int:
        """Return how many films the partition `index` has."""
        return min(self.shard_films, self.films - index * self.shard_films)

    def members(self, index: int) -> list[Member]:
        """Return the films of the partition `index`. Raises DataError when the plan cannot be read."""
        try:
            with self.path.open("rb") as handle:
                handle.seek(self.starts[index])
                lines = [handle.readline().decode("ascii") for _ in range(self.size_of(index))]
            return [Member.from_line(line) for line in lines]
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: is damaged ({error}); remove the output folder and start again") from error


def survey_digest(members: Iterable[Member]) -> Listing:
    """Return the digest of a listing, whatever its order: the sum of its lines' hashes."""
    total = count = 0
    for member in members:
        total += _hash(member.to_line())
        count += 1
    return _to_listing(total, count)


def make(members: Iterable[Member], folder: Path, *, shard_films: int | None = None) -> Plan:
    """Write the plan into `folder`, whole or not at all, and return it; a member that is listed twice counts once.

    `shard_films` is how many films a partition has: by default 50 to 1000, so that there are 64 partitions or more.
    Raises DataError when there is no film, OutputError.
    """
    with files.staged_folder(folder / PLAN_NAME) as staged:
        films, listing, marks = _write_sorted(members, staged, shard_films or _STEP)
        if not films:
            raise DataError("the archive has no films; give one with PNG, JPEG, WebP or DICOM files")
        step = shard_films or _STEP
        size = shard_films or min(_MAX_SHARD_FILMS, max(_STEP, films // _WANTED_PARTITIONS // _STEP * _STEP))
        head = {
            "schema": SCHEMA,
            "films": films,
            "shard_films": size,
            "members": listing.members,
            "sha256": listing.sha256,
            "starts": list(marks[:: size // step]),
        }
        files.write_json(staged / "plan.json", head)
    return read(folder)


def read(folder: Path) -> Plan:
    """Return the plan in `folder`. Raises DataError when it is damaged or of another version."""
    path = folder / PLAN_NAME / "plan.json"
    head = files.read_json(path)
    try:
        if head["schema"] != SCHEMA:
            raise DataError(f"{path}: is of another version of cxr-edge; choose another output folder")
        listing = Listing(int(head["members"]), str(head["sha256"]))
        starts = tuple(map(int, head["starts"]))
        return Plan(path.with_name("films.jsonl"), int(head["films"]), int(head["shard_films"]), listing, starts)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: is damaged; remove the output folder and start again") from error


def _write_sorted(members: Iterable[Member], folder: Path, step: int) -> tuple[int, Listing, array[int]]:
    """Write the members sorted, each once; return how many, their listing and where each `step` of them starts."""
    total = count = 0

    def lines() -> Iterator[str]:
        nonlocal total, count
        for member in members:
            line = member.to_line()
            total += _hash(line)
            count += 1
            yield line + "\n"

    runs = _write_runs(lines(), folder)
    films = at = 0
    marks = array("Q")
    with (folder / "films.jsonl").open("w", encoding="ascii", newline="\n") as handle:
        for line, _ in itertools.groupby(_merge(runs)):
            if films % step == 0:
                marks.append(at)
            handle.write(line)
            at += len(line)
            films += 1
        handle.flush()
        os.fsync(handle.fileno())
    for run in runs:
        run.unlink()
    return films, _to_listing(total, count), marks


def _write_runs(lines: Iterator[str], folder: Path) -> list[Path]:
    """Write sorted runs of the lines; where they get too many to be open at once, merge them into one."""
    runs: list[Path] = []
    for number in itertools.count():
        part = sorted(itertools.islice(lines, _RUN_LINES))
        if not part:
            return runs
        runs.append(_write_lines(folder / f"run-{number}", part))
        if len(runs) == _MAX_RUNS:
            merged = _write_lines(folder / f"merged-{number}", _merge(runs))
            for run in runs:
                run.unlink()
            runs = [merged]
    return runs


def _write_lines(path: Path, lines: Iterable[str]) -> Path:
    with path.open("w", encoding="ascii", newline="\n") as handle:
        handle.writelines(lines)
    return path


def _merge(runs: list[Path]) -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(run.open(encoding="ascii", newline="\n")) for run in runs]
        yield from heapq.merge(*opened)


def _hash(line: str) -> int:
    return int.from_bytes(hashlib.sha256(line.encode("ascii")).digest(), "big")


def _to_listing(total: int, count: int) -> Listing:
    return Listing(count, f"{total % 2**256:064x}")
