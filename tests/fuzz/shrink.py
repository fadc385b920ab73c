"""A mutant that killed its process, brought down to the few changed bytes that do."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["differences", "shrink"]


def differences(content: bytes, base: bytes) -> list[tuple[int, int]]:
    """Return the runs of bytes, from and to, in which two files of one length differ; a gap of 3 does not end a run."""
    places = [place for place, (one, other) in enumerate(zip(content, base, strict=True)) if one != other]
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and place - runs[-1][1] < 4:
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    return runs


def shrink(content: bytes, base: bytes, dies: Callable[[bytes], bool]) -> bytes:
    """Return `content` with every change from `base` taken back that it dies without; both have one length."""
    for start, end in differences(content, base):
        without = content[:start] + base[start:end] + content[end:]
        if dies(without):
            content = without
    return content
