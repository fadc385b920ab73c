"""What a process may take: limits that it sets on itself and cannot lift again."""

from __future__ import annotations

from dataclasses import dataclass

from cxr_edge.errors import SandboxError

__all__ = ["STRICT", "WIDE", "Limits", "impose"]


@dataclass(frozen=True)
class Limits:
    """The most that a process may take; `wall_s` is for one answer and is kept by who asks, not by the process.

    `memory_bytes` is address space, None for as much as there is, `cpu_s` processor time in all, `file_bytes` the size
    of a file that it writes, `files` how many it holds open.
    """

    memory_bytes: int | None = 2**30
    cpu_s: int = 10
    file_bytes: int = 2**20
    files: int = 32
    wall_s: float = 10.0


STRICT = Limits()
"""Those of the sandbox. Both runtimes pass with half of its memory."""

WIDE = Limits(memory_bytes=None, cpu_s=3600, file_bytes=2**26, files=1024, wall_s=120.0)
"""Those where TensorFlow, a graphics driver or a long measurement needs more."""


def impose(limits: Limits) -> None:
    """Set the limits on this process, and none of its children may lift them. Raises SandboxError where it cannot."""
    try:
        import resource

        for kind, most, hard in (
            (resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
            # At the first limit a signal says why the process ends, at the second it ends.
            (resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + 1),
            (resource.RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes),
            (resource.RLIMIT_NOFILE, limits.files, limits.files),
            # A dump would hold the film, and fill the disk.
            (resource.RLIMIT_CORE, 0, 0),
        ):
            if most is not None and hard is not None:
                resource.setrlimit(kind, (most, hard))
    except (ImportError, OSError, ValueError) as error:
        raise SandboxError(
            f"this system cannot limit a process ({error}); run models of others on Linux, or trust this one by "
            "'cxr-edge verify --trust'"
        ) from error
