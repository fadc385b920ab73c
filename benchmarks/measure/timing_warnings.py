"""Warnings about the timing: what disturbed it, and why int8 is slower than float32.

The first sentence of a warning says the fact and what to do; the next ones explain it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from cxr_edge.benchmarks.result.bench_result import ArtifactResult
from cxr_edge.benchmarks.result.device_result import HERE, Condition, LatencyReport, Machine

__all__ = ["explain_integers", "find"]

_SLOWER_CLOCK = 0.9
_INTEGER_DOT = {"avx512_vnni": "VNNI", "avx_vnni": "VNNI", "amx_int8": "AMX", "asimddp": "dot products", "i8mm": "I8MM"}


def find(rows: Sequence[ArtifactResult]) -> list[str]:
    """Return one warning for each cause that slowed the processor of a device."""
    by_device: dict[str, list[Condition]] = {}
    for row in rows:
        for report in row.latencies:
            by_device.setdefault(report.device, []).extend(report.conditions)
    return [text for device, conditions in by_device.items() for text in _judge(device, conditions)]


def explain_integers(rows: Sequence[ArtifactResult], machine: Machine) -> str | None:
    """Return a warning when int8 is slower than float32 on this machine's processor, else None."""
    slower: dict[str, list[str]] = {}
    for row in rows:
        twin = next((other for other in rows if other.format == row.format and other.quantization == "float32"), None)
        if row.quantization == "int8" and twin is not None:
            for ours, theirs in _pairs(row, twin):
                if ours.p50_ms > theirs.p50_ms:
                    fact = f"{row.name} {ours.p50_ms:.3g} ms, {twin.name} {theirs.p50_ms:.3g} ms"
                    slower.setdefault(row.name, []).append(fact)
    if not slower:
        return None
    has = list(dict.fromkeys(name for feature, name in _INTEGER_DOT.items() if feature in machine.cpu_features))
    if has:
        why = (
            f"The processor has {' and '.join(has)}, so 8-bit arithmetic is fast; the time goes into the library's "
            "kernels and the operations between the convolutions"
        )
    else:
        why = (
            "The processor has no instruction that multiplies and adds 8-bit numbers (VNNI on x86, dot products on "
            "Arm), so int8 needs more steps than float32"
        )
    names, verb = " and ".join(slower), "is" if len(slower) == 1 else "are"
    times = "; ".join(fact for facts in slower.values() for fact in facts)
    return f"{names} {verb} slower than float32; use float32 for speed. {times}. {why}"


def _pairs(row: ArtifactResult, twin: ArtifactResult) -> Iterator[tuple[LatencyReport, LatencyReport]]:
    for ours in row.latencies:
        for theirs in twin.latencies:
            if (ours.device, ours.threads) == (theirs.device, theirs.threads) and ours.device in HERE:
                yield ours, theirs


def _judge(device: str, conditions: Sequence[Condition]) -> Iterator[str]:
    throttled = _flatten(item.throttled for item in conditions)
    if throttled:
        yield (
            f"{device}: the board reports {', '.join(throttled)}; cool it or use a stronger power supply, and repeat"
        )
    governors = list(dict.fromkeys(item.governor for item in conditions if item.governor))
    if governors and governors != ["performance"]:
        yield (
            f"{device}: the clock follows the load (governor {', '.join(governors)}); set it to performance. Type: "
            "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        )
    clocks = [item.frequency_mhz for item in conditions if item.frequency_mhz is not None]
    if clocks and min(clocks) < _SLOWER_CLOCK * max(clocks):
        yield (
            f"{device}: the clock fell from {max(clocks):.0f} to {min(clocks):.0f} MHz; cool the machine, plug it in, "
            "and repeat"
        )


def _flatten(found: Iterable[tuple[str, ...] | None]) -> list[str]:
    return list(dict.fromkeys(text for texts in found for text in texts or ()))
