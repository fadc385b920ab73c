"""Folders watched for a whole day: each film once, when it is whole, and on from there after a restart.

The folders are looked through again and again, since no system tells of new files on a network share. A file is a film
to be read once its size and its time have stayed the same for a while; one that then cannot be read may still be on
its way, and gets its row only when it has stayed the same for longer.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TextIO

from cxr_edge.bundles.manifest import Manifest
from cxr_edge.data.listing import is_image
from cxr_edge.errors import UsageError
from cxr_edge.inference import rows
from cxr_edge.inference.classify import Prediction, predict_all
from cxr_edge.inference.watch_journal import Journal, name_film
from cxr_edge.runtimes.base import Runtime
from cxr_edge.system.progress import say
from cxr_edge.system.walk import walk

__all__ = ["Stop", "WatchOptions", "check_folders", "flush_to_disk", "format_on", "watch"]

_NAP_S = 0.2
# A folder with many films on a slow card takes long to look through: then it is looked through less often.
_SCAN_SHARE = 0.05


@dataclass(frozen=True)
class WatchOptions:
    """How long to wait: between two looks, for a file to stay the same, and so for one that cannot be read.

    With `keep_pictures` each prediction has the picture that its overlay is drawn on.
    """

    interval_s: float = 1.0
    settle_s: float = 2.0
    patience_s: float = 60.0
    keep_pictures: bool = False


class Stop:
    """Whether the watch is to end: asked for by SIGTERM or Ctrl-C within the `with` block, or by `ask`."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def ask(self) -> None:
        """Let the watch end after the film at hand."""
        self.asked = True

    def wait(self, duration_s: float) -> None:
        """Wait for `duration_s`, or less when it is to end."""
        end_s = time.monotonic() + duration_s
        # In naps, since a sleep goes on to its end after a signal.
        while not self.asked and (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _NAP_S))

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.ask()


@dataclass
class _Candidate:
    """A file that is not done: since when it has been as it is, and whether reading it was tried in vain."""

    path: Path
    size_bytes: int
    modified_ns: int
    since_s: float
    tried: bool = False

    def name(self) -> bytes:
        return name_film(self.path, self.size_bytes, self.modified_ns)


def check_folders(folders: Sequence[Path], overlays: Path | None = None) -> None:
    """Refuse what cannot be watched, and overlays that would be taken for films. Raises UsageError."""
    for folder in folders:
        if not os.path.isdir(folder):
            raise UsageError(f"{folder}: is no folder, and only folders are watched; name the one that films come to")
        if overlays is not None and Path(os.path.realpath(overlays)).is_relative_to(os.path.realpath(folder)):
            raise UsageError(
                f"{overlays}: lies in the watched {folder}, so its overlays would be films; choose another"
            )


def watch(
    runtime: Runtime,
    manifest: Manifest,
    folders: Sequence[Path],
    journal: Journal,
    stop: Stop,
    options: WatchOptions = WatchOptions(),
) -> Iterator[Prediction]:
    """Yield the predictions for the films that are in `folders` and come to them, until `stop` is asked.

    A film is done, and in the journal, when the next prediction is asked for: whoever takes them has to have written
    the one before by then. Raises OutputError when the journal cannot be written.
    """
    watcher = _Watcher(folders, journal, options)
    while not stop.asked:
        begun_s = time.monotonic()
        ready = watcher.look(begun_s)
        scan_s = time.monotonic() - begun_s
        paths = [candidate.path for candidate in ready]
        predictions = predict_all(runtime, manifest, paths, keep_pictures=options.keep_pictures)
        for candidate, prediction in zip(ready, predictions, strict=True):
            if watcher.is_final(candidate, prediction, begun_s):
                yield prediction
                journal.add(candidate.name())
            if stop.asked:
                break
        stop.wait(max(options.interval_s, scan_s / _SCAN_SHARE))


def format_on(form: str, predictions: Iterable[Prediction], stream: TextIO) -> Iterator[str]:
    """Yield the rows of a form (table, json or csv) for `stream`; a CSV file that has rows gets no second header."""
    if form == "csv" and (_file_size(stream) or 0) > 0:
        return rows.format_csv(predictions, header=False)
    return rows.FORMATS[form](predictions)


def flush_to_disk(stream: TextIO) -> None:
    """Flush a stream, to the disk where it is a file, so that no row is lost that the journal calls done."""
    stream.flush()
    if _file_size(stream) is not None:
        with contextlib.suppress(OSError):
            os.fsync(stream.fileno())


def _file_size(stream: TextIO) -> int | None:
    """Return the size in bytes of the regular file that a stream writes to, None for a terminal or a pipe."""
    try:
        facts = os.fstat(stream.fileno())
    except OSError:  # A stream in memory has no descriptor.
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None


class _Watcher:
    """What is known of the files that are not done yet."""

    def __init__(self, folders: Sequence[Path], journal: Journal, options: WatchOptions) -> None:
        self._folders = list(folders)
        self._journal = journal
        self._options = options
        self._candidates: dict[str, _Candidate] = {}
        self._lost: set[str] = set()

    def look(self, now_s: float) -> list[_Candidate]:
        """Look through the folders; return the files that are to be read now, the oldest first."""
        found = {}
        lost: dict[str, OSError] = {}
        for folder in self._folders:
            for entry in walk(folder, lost.__setitem__):
                # A file may go while its folder is being looked through.
                with contextlib.suppress(OSError):
                    if not is_image(entry.name) or not entry.is_file():
                        continue
                    facts = entry.stat()
                    fresh = _Candidate(Path(entry.path), facts.st_size, facts.st_mtime_ns, now_s)
                    if fresh.name() not in self._journal:
                        found[entry.path] = self._keep(entry.path, fresh)
        self._candidates = found
        self._tell_lost(lost)
        due = [candidate for candidate in found.values() if now_s - candidate.since_s >= self._patience(candidate)]
        return sorted(due, key=lambda candidate: (candidate.modified_ns, candidate.path))

    def is_final(self, candidate: _Candidate, prediction: Prediction, now_s: float) -> bool:
        """Say whether a prediction is the film's: not when the file has changed since, or may still be on its way."""
        try:
            facts = candidate.path.stat()
        except OSError:
            # It was taken away: what was read before that counts, and there is nothing to say of what was not.
            return prediction.error is None
        if (facts.st_size, facts.st_mtime_ns) != (candidate.size_bytes, candidate.modified_ns):
            return False
        if prediction.error is not None and now_s - candidate.since_s < self._options.patience_s:
            candidate.tried = True
            return False
        return True

    def _keep(self, path: str, fresh: _Candidate) -> _Candidate:
        known = self._candidates.get(path)
        same = known and (known.size_bytes, known.modified_ns) == (fresh.size_bytes, fresh.modified_ns)
        return known if known and same else fresh

    def _patience(self, candidate: _Candidate) -> float:
        return self._options.patience_s if candidate.tried else self._options.settle_s

    def _tell_lost(self, lost: Mapping[str, OSError]) -> None:
        """Say once which folders cannot be listed, and which can be again."""
        for place in sorted(lost.keys() - self._lost):
            reason = lost[place].strerror or lost[place]
            say(f"cxr-edge: {place}: cannot be listed ({reason}); it is tried again")
        for place in sorted(self._lost - lost.keys()):
            if os.path.isdir(place):
                say(f"cxr-edge: {place}: can be listed again")
        self._lost = set(lost)
