"""The state of the processor at the end of a turn: cores, clock, temperature, throttling. Runs on the device."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["read", "read_throttled"]

_CPUS = Path("/sys/devices/system/cpu")
_ZONES = Path("/sys/class/thermal")
_CPUINFO = Path("/proc/cpuinfo")

# Bits 0 to 3 of `vcgencmd get_throttled`, as the Raspberry Pi documentation has them; 16 to 19 say that it was so
# since boot.
_THROTTLED = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}


def read() -> dict[str, Any]:
    """Return `affinity`, `governor`, `frequency_mhz`, `temperature_c`, `throttled`; None for what is unknown.

    `throttled` lists the conditions that the firmware of a Raspberry Pi reports, now or since boot.
    """
    return {
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "governor": _text(_CPUS / "cpu0/cpufreq/scaling_governor"),
        "frequency_mhz": _frequency_mhz(),
        "temperature_c": _temperature_c(),
        "throttled": read_throttled(_vcgencmd()),
    }


def read_throttled(text: str | None) -> list[str] | None:
    """Return the meaning of the firmware's answer, such as `throttled=0x50005`; None without an answer."""
    if text is None or not text.startswith("throttled="):
        return None
    bits = int(text.partition("=")[2], 16)
    now = [name for bit, name in _THROTTLED.items() if bits >> bit & 1]
    return now + [f"{name} since boot" for bit, name in _THROTTLED.items() if bits >> bit + 16 & 1 and name not in now]


def _frequency_mhz() -> float | None:
    khz = [_text(path) for path in sorted(_CPUS.glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))]
    known = [float(text) / 1e3 for text in khz if text and text.isdecimal()]
    if not known:
        with contextlib.suppress(OSError, ValueError):
            lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
            known = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    return round(max(known), 1) if known else None


def _temperature_c() -> float | None:
    degrees = [_text(zone) for zone in sorted(_ZONES.glob("thermal_zone*/temp"))]
    known = [int(text) / 1e3 for text in degrees if text and text.lstrip("-").isdecimal()]
    return round(max(known), 1) if known else None


def _vcgencmd() -> str | None:
    tool = shutil.which("vcgencmd")
    if tool is None:
        return None
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run([tool, "get_throttled"], capture_output=True, text=True, timeout=5).stdout.strip()
    return None


def _text(path: Path) -> str | None:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="ascii", errors="replace").strip()
    return None
