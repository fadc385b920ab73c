"""Limits on what a smaller model may lose. The int8 repair works towards them, and bench can enforce them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cxr_edge.errors import UsageError
from cxr_edge.system import files

__all__ = ["HAIR", "Budget", "Drift", "Limits", "exceeded"]

HAIR = 1e-9
"""Tolerance of a comparison: in floating point 0.9 - 0.85 exceeds 0.05, but a loss equal to the limit is allowed."""


@dataclass(frozen=True)
class Drift:
    """How far an artifact's predictions lie from the float reference's on the same images.

    `flips` counts the images whose label differs from the reference. `auc_change` is AUC - reference AUC. `max_change`
    and `mean_change` are absolute changes of the positive class's probability. `distinct` counts different scores.
    """

    films: int
    flips: int
    auc_change: float
    max_change: float
    mean_change: float
    distinct: int


@dataclass(frozen=True)
class Budget:
    """What int8 may lose: flips as a part of the images, |change of AUC|, size and latency relative to stock int8."""

    flips: float = 0.01
    auc_change: float = 0.005
    size_ratio: float = 1.1
    latency_ratio: float = 1.1

    @classmethod
    def read(cls, path: Path) -> Budget:
        """Read a JSON object with any of the fields. Raises UsageError for a field or limit that makes no sense."""
        return cls(**_pick(cls, _read(path)))

    def misses(self, drift: Drift, *, size_ratio: float = 0.0, latency_ratio: float = 0.0) -> list[str]:
        """Return a line for each limit that is exceeded; none when the budget is met."""
        found = [line for _, line in exceeded(self, drift.flips, drift.films, drift.auc_change)]
        if size_ratio > self.size_ratio:
            found.append(f"size is {size_ratio:.2f} times the stock int8; the limit is {self.size_ratio:g}")
        if latency_ratio > self.latency_ratio:
            found.append(f"latency is {latency_ratio:.2f} times the stock int8; the limit is {self.latency_ratio:g}")
        return found

    def excess(self, drift: Drift, *, size_ratio: float = 0.0, latency_ratio: float = 0.0) -> float:
        """Return the sum, over all exceeded limits, of the excess divided by the limit; 0 when the budget is met."""
        found = (
            (drift.flips / drift.films, self.flips),
            (abs(drift.auc_change), self.auc_change),
            (size_ratio, self.size_ratio),
            (latency_ratio, self.latency_ratio),
        )
        # Any loss exceeds a limit of 0. Dividing by at least 0.001 keeps the sum finite.
        return sum((value - limit) / max(limit, 1e-3) for value, limit in found if value > limit + HAIR)


@dataclass(frozen=True)
class Limits:
    """The limits that bench enforces; a limit that is None is not checked.

    `flips` and `auc_change` are those of `Budget`. `auc_margin` is a loss of AUC that the measurement must rule out.
    `sensitivity_drop` and `specificity_drop` apply at the bundle's threshold. Size is in MB of 1,000,000 bytes, memory
    in MiB. `artifacts` names the artifacts that the limits apply to; None means all but Keras models.
    """

    flips: float | None = None
    auc_change: float | None = None
    auc_margin: float | None = None
    sensitivity_drop: float | None = None
    specificity_drop: float | None = None
    p50_ms: float | None = None
    p90_ms: float | None = None
    size_mb: float | None = None
    peak_mib: float | None = None
    artifacts: tuple[str, ...] | None = None

    @classmethod
    def read(cls, path: Path) -> Limits:
        """Read a budget file, which may also hold the limits of an export. Raises UsageError as `Budget`."""
        value = _read(path)
        limits = _pick(cls, value)
        if not limits:
            raise UsageError(f'{path}: holds no limit for a bench; give one such as {{"auc_margin": 0.01}}')
        artifacts = value.get("artifacts")
        named = tuple(artifacts) if isinstance(artifacts, list) else None
        return cls(
            flips=limits.get("flips"),
            auc_change=limits.get("auc_change"),
            auc_margin=limits.get("auc_margin"),
            sensitivity_drop=limits.get("sensitivity_drop"),
            specificity_drop=limits.get("specificity_drop"),
            p50_ms=limits.get("p50_ms"),
            p90_ms=limits.get("p90_ms"),
            size_mb=limits.get("size_mb"),
            peak_mib=limits.get("peak_mib"),
            artifacts=named,
        )

    def stated(self) -> dict[str, float]:
        """Return the limits that are checked, by name."""
        return {name: limit for name, limit in dataclasses.asdict(self).items() if isinstance(limit, float)}


def exceeded(limits: Budget | Limits, flips: int, films: int, auc_change: float) -> Iterator[tuple[str, str]]:
    """Yield the name of each stated limit of drift that is exceeded, and a line that says so."""
    if limits.flips is not None and flips > limits.flips * films + HAIR:
        yield "flips", f"{flips} of {films} images flip; the limit is {limits.flips:.2%}"
    if limits.auc_change is not None and abs(auc_change) > limits.auc_change + HAIR:
        yield "auc_change", f"AUC changes by {auc_change:+.4f}; the limit is {limits.auc_change:g}"


def _read(path: Path) -> dict[str, object]:
    """Return the fields of a budget file, those of export and those of bench, after checking them."""
    value = files.read_json(path, limit_bytes=1 << 16)
    known = {field.name for kind in (Budget, Limits) for field in dataclasses.fields(kind)}
    if not isinstance(value, dict):
        raise UsageError(f'{path}: must hold a JSON object such as {{"flips": 0.01}}')
    if unknown := sorted(set(value) - known):
        raise UsageError(f"{path}: '{unknown[0]}' is no field of a budget; the fields are {', '.join(sorted(known))}")
    for name, limit in value.items():
        if name == "artifacts":
            if not isinstance(limit, list) or not limit or not all(isinstance(item, str) for item in limit):
                raise UsageError(f"{path}: 'artifacts' must be a list of names such as [\"model_int8.tflite\"]")
        else:
            _check(path, name, limit)
    return value


def _pick(kind: type[Budget] | type[Limits], value: dict[str, object]) -> dict[str, float]:
    """Return the limits that `kind` has fields for; `_read` has checked that they are numbers."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: float(limit) for name, limit in value.items() if name in names and isinstance(limit, (int, float))}


def _check(path: Path, name: str, limit: object) -> None:
    # Compared and not converted: a whole number may be too large for a float.
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not abs(limit) <= sys.float_info.max:
        raise UsageError(f"{path}: '{name}' must be a finite number, not {limit!r}")
    if name.endswith("_ratio"):
        if limit <= 0:
            raise UsageError(f"{path}: '{name}' is {limit:g}; a ratio to the stock int8 must be above 0, as 1.1 is")
    elif name.endswith(("_ms", "_mb", "_mib")):
        if limit <= 0:
            raise UsageError(f"{path}: '{name}' is {limit:g}; a time or size must be above 0")
    elif not 0 <= limit <= 1:
        raise UsageError(f"{path}: '{name}' is {limit:g}; give a part between 0 and 1")
