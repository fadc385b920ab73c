"""A worker's part: the films of a partition to rows, the next films read and decoded while the model runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cxr_edge.archive.members import Member
from cxr_edge.archive.reading import Reader
from cxr_edge.archive.shards import Row
from cxr_edge.bundles.manifest import Manifest
from cxr_edge.errors import CxrEdgeError, RuntimeFailure
from cxr_edge.inference import classify
from cxr_edge.models import ModelFile
from cxr_edge.processes.prefetch import map_ahead
from cxr_edge.runtimes.base import Runtime

__all__ = ["Partition", "Scorer", "to_lost_row"]

# How many films one thread hands to the other at a time: one by one costs a twentieth of the throughput.
_TOGETHER = 4


@dataclass(frozen=True)
class Partition:
    """The films of the plan's partition `index`, or some of them."""

    index: int
    members: Sequence[Member]


@dataclass
class Scorer:
    """What every worker holds: the model, which is opened once in each, and where the films are.

    `root` is the folder that the members' places are below; `heatmap` is where overlays go, if anywhere. Both must be
    the same on all machines that workers run on.
    """

    model: ModelFile
    manifest: Manifest
    root: Path
    heatmap: Path | None = None
    _runtime: Runtime | None = field(default=None, repr=False)
    _reader: Reader | None = field(default=None, repr=False)

    def open(self) -> None:
        """Open the model. Raises RuntimeFailure, MissingExtraError."""
        self._runtime = self.model.open()

    def run(self, partition: Partition) -> list[Row]:
        """Return a row a film, in order. What is wrong with a film is in its row. Raises OutputError."""
        if self._runtime is None:
            raise RuntimeFailure(f"{self.model.name}: is not open; open the scorer before it runs")
        runtime, keep = self._runtime, self.heatmap is not None
        # Kept from partition to partition: a packed tar is then unpacked once by each worker.
        reader = self._reader = self._reader or Reader(self.root)
        # Pictures that are kept for an overlay are large, so those films are handed over one by one.
        size, members = 1 if keep else _TOGETHER, partition.members
        parts = [members[at : at + size] for at in range(0, len(members), size)]

        def take(part: Sequence[Member]) -> list[_Taken]:
            return [_take(reader, member, keep=keep) for member in part]

        # One thread: the reader's stream goes forward, and every core has a worker of its own.
        taken = map_ahead(take, parts, workers=1)
        return [self._answer(runtime, film, partition.index) for films in taken for film in films]

    def close(self) -> None:
        """Close the model and the container that was read last."""
        if self._runtime is not None:
            self._runtime.close()
        if self._reader is not None:
            self._reader.close()
        self._runtime = self._reader = None

    def _answer(self, runtime: Runtime, film: _Taken, index: int) -> Row:
        path = film.member.path
        if film.decoded is None:
            return Row(path, error=film.error)
        prediction = classify.answer(runtime, self.manifest, film.decoded)
        if self.heatmap is not None and prediction.error is None:
            _draw(prediction, self.heatmap / f"{index:06d}")
        if prediction.error is not None:
            return Row(path, film.sha256, error=_fact(prediction.error, path))
        return Row(
            path,
            film.sha256,
            tuple(prediction.probabilities[label] for label in self.manifest.labels),
            prediction.label,
            prediction.typicality,
            prediction.untypical,
            prediction.warnings,
        )


def to_lost_row(member: Member) -> Row:
    """Return the row of a film at which the process that read it died, each time it was tried."""
    return Row(
        member.path, error="the process that read it died; look at the film with care, it may be made to do that"
    )


@dataclass(frozen=True)
class _Taken:
    """A film that was read: decoded, or with the error that kept its bytes from being read."""

    member: Member
    decoded: classify.Decoded | None = None
    sha256: str | None = None
    error: str | None = None


def _take(reader: Reader, member: Member, *, keep: bool) -> _Taken:
    try:
        content = reader.read(member)
    except CxrEdgeError as error:
        return _Taken(member, error=_fact(str(error), member.path))
    decoded = classify.decode(Path(member.path), content, keep_picture=keep)
    return _Taken(member, decoded, hashlib.sha256(content).hexdigest())


def _draw(prediction: classify.Prediction, folder: Path) -> None:
    """Write the overlay of a film. Raises OutputError."""
    from cxr_edge.inference import explain

    explain.write(prediction, folder / explain.name_overlay(prediction.path))


def _fact(error: str, path: str) -> str:
    """Return an error without the film's path, which has a column of its own."""
    return error.removeprefix(f"{Path(path)}: ").removeprefix(f"{path}: ")
