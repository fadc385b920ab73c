"""`pi-estimate`: estimate times on a Raspberry Pi from published benchmarks. Nothing is measured.

If the artifact's number of multiplications is within 5 % of a published network's, the published time applies.
Otherwise a line through the published networks of the board gives the time. The range is as wide as the largest error
of such a line for a network that it does not include (`leave_one_out`). A board without published times for XNNPACK
gets its times from another board. The range then covers two ratios between the boards: that of ncnn's published times,
and that of the clocks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxr_edge.benchmarks.devices.base import CHOICES, DeviceOptions
from cxr_edge.benchmarks.measure import worker_client
from cxr_edge.benchmarks.result.device_result import ESTIMATED
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.errors import DeviceError, UsageError
from cxr_edge.models import is_trusted

__all__ = ["BOARDS", "EstimateDevice", "Figure", "estimate", "leave_one_out", "open"]

XNNPACK = "XNNPACK's README, table 'Raspberry Pi', benchmarked on 8 February 2022 (github.com/google/XNNPACK)"
NCNN = "ncnn's benchmark/README.md (github.com/Tencent/ncnn), 4 threads, averages"

MACS = {"v1": 569e6, "v2": 300e6, "v3 large": 219e6, "v3 small": 56e6}
"""Multiplications of the MobileNets at 224 x 224: Howard 2017, Sandler 2018, Howard 2019 (their own figures)."""

# Milliseconds with as many threads as cores. Pi 3: Pi 3+ (BCM2837B0), 32-bit; Pi 4: BCM2711, 64-bit.
_PUBLISHED: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "pi3": {
        "float32": {"v1": 114, "v2": 79, "v3 large": 67, "v3 small": 22},
        "int8": {"v1": 46, "v2": 30},
    },
    "pi4": {
        "float32": {"v1": 77, "v2": 46, "v3 large": 40, "v3 small": 15},
        "int8": {"v1": 24, "v2": 17},
    },
}


@dataclass(frozen=True)
class _Carried:
    """A board without times for XNNPACK: another board's times, multiplied by the ratio of ncnn's times or clocks."""

    base: str
    ratios: Mapping[str, tuple[float, float]]
    clock: float
    note: str


# ncnn: mobilenet_v2 for float32, mobilenet_int8 (its only int8 MobileNet) for int8; milliseconds there, here.
_CARRIED = {
    "zero2": _Carried(
        "pi3",
        {"float32": (111.68, 147.39), "int8": (67.03, 91.03)},
        1.4 / 1.0,
        "Zero 2 W at 1.0 GHz by Pi 3+ at 1.4 GHz",
    ),
    "pi5": _Carried(
        "pi4",
        {"float32": (72.62, 8.76), "int8": (40.30, 8.91)},
        1.5 / 2.4,
        "no Pi 5, but the same four Cortex-A76 at 2.4 GHz in an RK3588, where ncnn takes float16, by Pi 4 at 1.5 GHz",
    ),
}

BOARDS = {"pi3": "Raspberry Pi 3+", "pi4": "Raspberry Pi 4", "pi5": "Raspberry Pi 5", "zero2": "Raspberry Pi Zero 2 W"}

_NEAR = 0.05
# Beyond this factor, a line through so few networks gives no useful estimate.
_FAR = 1.5


@dataclass(frozen=True)
class Figure:
    """Milliseconds with four threads, their range and their source."""

    ms: float
    low_ms: float
    high_ms: float
    source: str


class EstimateDevice:
    """A board that is not connected. It runs nothing; `estimate` gives its figures."""

    def __init__(self, board: str) -> None:
        self.name = f"pi-estimate:{board}"
        self.kind = ESTIMATED
        self.identity = f"{BOARDS[board]}, from published figures"
        self.withheld: str | None = None
        self._board = board

    def refuse(self, artifact: Artifact) -> str | None:
        """Return why there is no figure for the artifact: published times are for XNNPACK, in float32 and int8."""
        if artifact.format != "tflite":
            return "the published figures are for XNNPACK, which runs .tflite files"
        if _arithmetic(artifact) is None:
            return f"no figure of {artifact.quantization} arithmetic was published for a {BOARDS[self._board]}"
        return None

    def ask(self, request: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        """Raise DeviceError: this device runs nothing; see `estimate`."""
        raise DeviceError(f"device '{self.name}': runs nothing; it only has published figures")

    def estimate(self, bundle: Bundle, artifact: Artifact) -> Figure:
        """Return the figure for an artifact that is not refused. A process here counts its multiplications.

        Raises RuntimeFailure when it does not load, DeviceError when no published network is like it.
        """
        request = {
            "task": "count",
            "bundle": str(bundle.path.resolve()),
            "artifact": artifact.name,
            "trusted": is_trusted(bundle, artifact),
            "threads": 1,
        }
        counted = worker_client.ask(request, name=artifact.name)["macs"]
        return estimate(self._board, _arithmetic(artifact) or "", counted)

    def close(self) -> None:
        """See `Device`."""


def open(text: str, options: DeviceOptions) -> EstimateDevice:
    """Return the board. Raises UsageError for one that is not known."""
    board = text.partition(":")[2]
    if board not in BOARDS:
        raise UsageError(f"device '{text}': name the board, {CHOICES['pi-estimate']}")
    return EstimateDevice(board)


def estimate(board: str, arithmetic: str, macs: float) -> Figure:
    """Return the figure of a MobileNet with `macs` multiplications, in `arithmetic` float32 or int8."""
    carried = _CARRIED.get(board)
    if carried is None:
        return _published(board, arithmetic, macs)
    base = _published(carried.base, arithmetic, macs)
    there, here = carried.ratios[arithmetic]
    ratio = here / there
    low, high = sorted((ratio, carried.clock))
    return Figure(
        base.ms * math.sqrt(low * high),
        base.low_ms * low,
        base.high_ms * high,
        f"{base.source}; carried over from the {BOARDS[carried.base]} by {ratio:.2f} (ncnn) to {carried.clock:.2f} "
        f"(clock): {carried.note}; {NCNN}",
    )


def leave_one_out(board: str, arithmetic: str) -> float:
    """Return the largest error of a line through the board's other networks for the network that was left out.

    The line is milliseconds = a * multiplications ** b, through the others; with a single other one, b is 1.
    """
    known = _PUBLISHED[board][arithmetic]
    misses = []
    for left in known:
        others = {name: ms for name, ms in known.items() if name != left}
        misses.append(abs(_fit(others, MACS[left]) / known[left] - 1))
    return max(misses)


def _published(board: str, arithmetic: str, macs: float) -> Figure:
    known = _PUBLISHED[board][arithmetic]
    name = min(known, key=lambda network: abs(MACS[network] - macs))
    if abs(macs / MACS[name] - 1) <= _NEAR:
        ms = known[name]
        # Published to the whole millisecond.
        return Figure(
            ms,
            ms - 0.5,
            ms + 0.5,
            f"published for MobileNet {name}, {arithmetic}, on all cores of a {BOARDS[board]}: {XNNPACK}",
        )
    macs_known = [MACS[network] for network in known]
    fewest, most = min(macs_known), max(macs_known)
    if not fewest / _FAR <= macs <= most * _FAR:
        raise DeviceError(
            f"device 'pi-estimate:{board}': the published {arithmetic} networks have {fewest / 1e6:.0f} to "
            f"{most / 1e6:.0f} million multiplications and this one {macs / 1e6:.0f}; measure it on a board by "
            f"{CHOICES['ssh']}"
        )
    ms, error = _fit(known, macs), leave_one_out(board, arithmetic)
    return Figure(
        ms,
        ms / (1 + error),
        ms * (1 + error),
        f"a line through MobileNet {', '.join(known)}, {arithmetic}, on all cores of a {BOARDS[board]}, which misses "
        f"one left out by up to {error:.0%}: {XNNPACK}",
    )


def _fit(known: Mapping[str, float], macs: float) -> float:
    """Return the milliseconds at `macs` of the line through log time over log multiplications, by least squares."""
    x = [math.log(MACS[name]) for name in known]
    y = [math.log(ms) for ms in known.values()]
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    spread = sum((value - x_mean) ** 2 for value in x)
    product = sum((first - x_mean) * (second - y_mean) for first, second in zip(x, y, strict=True))
    slope = product / spread if spread else 1.0
    return math.exp(y_mean + slope * (math.log(macs) - x_mean))


def _arithmetic(artifact: Artifact) -> str | None:
    # float16 files hold float16 weights, and XNNPACK computes them in float32 on these processors but the Pi 5's.
    return {"float32": "float32", "int8": "int8"}.get(artifact.quantization)
