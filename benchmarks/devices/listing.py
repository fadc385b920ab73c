"""The devices that this machine can use: each kind, whether it is available, and what it lacks."""

from __future__ import annotations

import dataclasses
import shutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cxr_edge.benchmarks.devices import adb, estimate, registry
from cxr_edge.benchmarks.devices.base import CHOICES
from cxr_edge.benchmarks.devices.emulation import apt, userland
from cxr_edge.benchmarks.result.device_result import EMULATED, ESTIMATED, MEASURED
from cxr_edge.errors import CxrEdgeError, DeviceError

__all__ = ["Row", "survey", "table"]

_WIDTH = 120


@dataclass(frozen=True)
class Row:
    """A device as it is written, the kind of its figures, whether it can be used, and what it is or lacks."""

    device: str
    kind: str
    available: bool
    note: str

    def to_json(self) -> dict[str, Any]:
        """Return the row as a JSON object."""
        return dataclasses.asdict(self)


def survey() -> list[Row]:
    """Look for each kind of device. This fetches nothing and logs in nowhere; adb may start its own server."""
    emulated = [_try(f"pi-emulated:{cpu}", EMULATED, _look_for_userland) for cpu in userland.CPUS]
    estimated = [
        Row(f"pi-estimate:{board}", ESTIMATED, True, f"published figures of the {name}")
        for board, name in estimate.BOARDS.items()
    ]
    return [
        _try("cpu", MEASURED, lambda: registry.open("cpu").identity),
        _try("gpu:webgpu", MEASURED, lambda: registry.open("gpu:webgpu").identity),
        _try("gpu:cuda", MEASURED, _look_for_cuda),
        _try("gpu:litert", MEASURED, lambda: registry.open("gpu:litert").identity),
        _try("pi", MEASURED, lambda: registry.open("pi").identity),
        *emulated,
        *estimated,
        _try(CHOICES["ssh"], MEASURED, _look_for_ssh),
        *_look_for_phones(),
    ]


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text of at most 120 columns."""
    width = max(len(row.device) for row in rows)
    lines = [f"{'device':{width}}  {'kind':9}  here  note"]
    for row in rows:
        head = f"{row.device:{width}}  {row.kind:9}  {'yes' if row.available else 'no':4}  "
        lines += textwrap.wrap(row.note, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
    return "\n".join(lines)


def _try(device: str, kind: str, look: Callable[[], str]) -> Row:
    try:
        return Row(device, kind, True, look())
    except CxrEdgeError as error:
        return Row(device, kind, False, str(error).removeprefix(f"device '{device.partition('[')[0]}': "))


def _look_for_cuda() -> str:
    from cxr_edge.runtimes.onnx import import_onnxruntime

    name = registry.open("gpu:cuda").identity
    if "CUDAExecutionProvider" not in import_onnxruntime().get_available_providers():
        raise DeviceError("this ONNX Runtime has no CUDA; type: pip install onnxruntime-gpu")
    return f"{name}; whether it works shows when an artifact is loaded"


def _look_for_userland() -> str:
    ready = userland.find()
    if ready is not None:
        return f"ready: qemu-user {ready.versions['qemu']}, {ready.folder}"
    apt.check_host()
    return "can be made: the first use fetches about 150 MB of Debian packages and wheels"


def _look_for_ssh() -> str:
    if shutil.which("ssh") is None:
        raise DeviceError("no ssh client is installed here; type: apt-get install openssh-client")
    return "needs Python 3.10, numpy and a runtime there, and a key that is accepted"


def _look_for_phones() -> list[Row]:
    try:
        phones = adb.list_phones()
    except DeviceError as error:
        return [Row("adb", MEASURED, False, str(error).removeprefix("device 'adb': "))]
    if not phones:
        return [Row("adb", MEASURED, False, "no phone is connected; plug one in with USB debugging on")]
    return [Row(f"adb:{serial}", MEASURED, state == "device", state) for serial, state in phones.items()]
