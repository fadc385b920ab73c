"""This machine: processor, operating system, library versions, and how busy other programs kept it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

from cxr_edge.benchmarks.result.device_result import Machine
from cxr_edge.processes.cores import count_cores

__all__ = [
    "Activity",
    "describe",
]

LIBRARIES = (
    "numpy",
    "pillow",
    "ai-edge-litert",
    "tflite-runtime",
    "onnxruntime",
    "tensorflow",
    "tensorflow-cpu",
    "keras",
)

# Instructions that decide how fast 8-bit and 16-bit arithmetic is.
_FEATURES = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "amx_int8",
    "f16c",
    "neon",
    "asimd",
    "asimddp",
    "asimdhp",
    "i8mm",
)

_CPUINFO = Path("/proc/cpuinfo")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_BOARD = Path("/proc/device-tree/model")
_STAT = Path("/proc/stat")

# The first numbers of the line `cpu` of /proc/stat (man 5 proc); guests are counted in `user` already.
_STAT_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq")

_OTHERS_CORES = 0.25
"""The part of one core that other programs may use without a warning."""


def describe() -> Machine:
    """Describe this machine."""
    info = _read_cpuinfo(_read_text(_CPUINFO) or "")
    return Machine(
        cpu_model=info.get("model name") or info.get("Model") or platform.processor() or "unknown",
        cpu_features=_pick_features(info),
        architecture=platform.machine(),
        cores=os.cpu_count() or 1,
        usable_cores=count_cores(),
        memory_mib=_memory_mib(),
        board=_read_text(_BOARD),
        governor=_read_text(_GOVERNOR),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        libraries=_versions(),
    )


class Activity:
    """Measures, from its creation on, how much of the processor other programs use."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self._busy_s = _busy_s()
        self._own_s = sum(os.times()[:4])

    def warning(self) -> str | None:
        """Return a warning if other programs used the processor, else None."""
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        others = self._others_cores(load)
        if others < _OTHERS_CORES:
            return None
        cores = os.cpu_count() or 1
        return (
            f"other processes used {others:.1f} of {cores} cores during the timing; repeat on an idle machine. "
            f"The 1-minute load was {load:.1f}"
        )

    def _others_cores(self, load: float) -> float:
        busy_s, elapsed_s = _busy_s(), time.monotonic() - self._start_s
        if self._busy_s is None or busy_s is None or busy_s <= self._busy_s or elapsed_s <= 0:
            # Only the load is known; this run itself adds a load of 1.
            return max(load - 1.0, 0.0)
        own_s = sum(os.times()[:4]) - self._own_s
        return max((busy_s - self._busy_s - own_s) / elapsed_s, 0.0)


def _busy_s() -> float | None:
    """Return the busy seconds of all cores together since boot; None if the system does not report them."""
    for line in (_read_text(_STAT) or "").splitlines():
        if line.startswith("cpu "):
            counts = dict(zip(_STAT_FIELDS, map(int, line.split()[1:]), strict=False))
            ticks = sum(counts[name] for name in ("user", "nice", "system", "irq", "softirq"))
            return ticks / os.sysconf("SC_CLK_TCK")
    return None


def _read_cpuinfo(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _pick_features(info: Mapping[str, str]) -> tuple[str, ...]:
    # x86 has flags, Arm has Features.
    present = set((info.get("flags") or info.get("Features") or "").split())
    return tuple(feature for feature in _FEATURES if feature in present)


def _memory_mib() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (AttributeError, ValueError, OSError):
        return None


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _versions() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
