"""The peak memory of this process. It imports almost nothing, so it can be read before anything else."""

from __future__ import annotations

import sys

__all__ = ["peak_mib"]


def peak_mib() -> float:
    """Return the largest resident set that this process has had, in MiB; 0 if the system does not report it."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                # Not ru_maxrss: on Linux a child inherits its parent's.
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return 0.0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 2**20 if sys.platform == "darwin" else used / 1024
