"""Run the artifacts on devices other than this machine's processor: predictions, estimates, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack

from cxr_edge.benchmarks.devices import registry
from cxr_edge.benchmarks.devices.base import DeviceOptions
from cxr_edge.benchmarks.devices.estimate import EstimateDevice
from cxr_edge.benchmarks.measure.device import Device
from cxr_edge.benchmarks.result.bench_result import BenchOptions
from cxr_edge.benchmarks.result.device_result import EMULATED, HERE, MEASURED, DeviceReport, Estimate
from cxr_edge.benchmarks.result.drift_result import DriftReport
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.errors import DataError, DeviceError, RuntimeFailure
from cxr_edge.system.progress import Progress, say

__all__ = ["Judge", "measure", "open_all", "timed"]

Judge = Callable[[Artifact, Device], DriftReport]
"""Predicts all images with an artifact on a device, and compares the predictions with the reference's."""


def open_all(options: BenchOptions, stack: ExitStack) -> dict[str, Device]:
    """Return the devices that `options` names, by name, and let `stack` close them. Raises UsageError, DeviceError."""
    settings = DeviceOptions(allow_software_gpu=options.allow_software_gpu)
    for text in options.devices:
        registry.check(text)
    opened: dict[str, Device] = {}
    for text in options.devices:
        device = registry.open(text, settings)
        stack.callback(device.close)
        opened[device.name] = device
    return opened


def measure(
    bundle: Bundle, artifacts: Sequence[Artifact], opened: Iterable[Device], judge: Judge
) -> tuple[dict[str, list[DeviceReport]], dict[str, list[str]]]:
    """Return each artifact's reports by device, and why artifacts failed there."""
    reports: dict[str, list[DeviceReport]] = {}
    failures: dict[str, list[str]] = {}
    others = [device for device in opened if device.name not in HERE]
    for device in others:
        if device.kind == EMULATED:
            say(
                f"{device.name}: an emulator takes seconds for each image and artifact; use fewer images (--data) to "
                "save time. After a stop, --resume continues"
            )
    if not others:
        return {}, {}
    with Progress("devices", len(others) * len(artifacts)) as progress:
        for device in others:
            for artifact in artifacts:
                progress.advance(0, note=f"{artifact.name}, {device.name}")
                try:
                    reports.setdefault(artifact.name, []).append(_report(bundle, artifact, device, judge))
                except (RuntimeFailure, DeviceError, DataError) as error:
                    failures.setdefault(artifact.name, []).append(_name_device(device.name, str(error)))
                progress.advance()
    return reports, failures


def timed(opened: Mapping[str, Device]) -> list[str]:
    """Return the names of the devices that give latencies."""
    return [name for name, device in opened.items() if device.kind == MEASURED and device.withheld is None]


def _report(bundle: Bundle, artifact: Artifact, device: Device, judge: Judge) -> DeviceReport:
    refusal = device.refuse(artifact)
    if refusal is not None:
        return DeviceReport(device.name, device.kind, device.identity, None, None, refusal)
    if isinstance(device, EstimateDevice):
        figure = device.estimate(bundle, artifact)
        found = Estimate(figure.ms, figure.low_ms, figure.high_ms, figure.source)
        return DeviceReport(device.name, device.kind, device.identity, None, found, None)
    return DeviceReport(device.name, device.kind, device.identity, judge(artifact, device), None, device.withheld)


def _name_device(device: str, reason: str) -> str:
    return reason if device in reason else f"{device}: {reason}"
