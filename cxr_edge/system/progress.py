"""Progress on stderr: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType

__all__ = ["Progress", "describe_duration", "say"]

_BAR_WIDTH = 24


def say(text: str) -> None:
    """Write one line of progress or warning to stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def describe_duration(seconds: float) -> str:
    """Return a duration in the unit that suits it, such as "40 s", "12 min" or "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class Progress:
    """Counts up to `total` units under a `label`; used in a `with` block, called with (done, total) or `advance`."""

    def __init__(self, label: str, total: int, *, interval_s: float = 10.0) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self.note = ""
        self._terminal = sys.stderr.isatty()
        self._interval_s = 0.1 if self._terminal else interval_s
        self._start = self._shown = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show(final=True)

    def __call__(self, done: int, total: int) -> None:
        """Set how much is done; the form that library functions call."""
        self.total = total
        self.advance(done - self.done)

    def advance(self, count: int = 1, note: str = "") -> None:
        """Add `count` units and show them when it is time; `note` stands behind the bar."""
        self.done += count
        self.note = note or self.note
        now = time.monotonic()
        if now - self._shown >= self._interval_s:
            self._shown = now
            self._show(final=False)

    def _show(self, *, final: bool) -> None:
        elapsed_s = time.monotonic() - self._start
        share = self.done / self.total if self.total else 1.0
        left_s = elapsed_s / share - elapsed_s if 0 < share < 1 else 0.0
        clock = f"{elapsed_s:.0f} s" if final else f"{elapsed_s:.0f} s, {left_s:.0f} s left"
        text = f"{self.label}: {self.done}/{self.total} ({clock}) {self.note}".rstrip()
        if self._terminal:
            bar = ("#" * int(share * _BAR_WIDTH)).ljust(_BAR_WIDTH, ".")
            sys.stderr.write(f"\r\x1b[K[{bar}] {text}" + ("\n" if final else ""))
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()
