"""ONNX Runtime, with its telemetry off."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from cxr_edge.contract import InputContract, Outputs, Pixels, check_pixels, name_outputs
from cxr_edge.errors import RuntimeFailure
from cxr_edge.runtimes.base import RuntimeInfo
from cxr_edge.system.extras import import_extra
from cxr_edge.system.text import first_line

__all__ = ["OnnxRuntime", "check_input", "import_onnxruntime", "open", "ort_errors"]

_DTYPES = {"tensor(float)": "float32"}


def import_onnxruntime() -> Any:
    """Return the onnxruntime module, imported so that it sends nothing. Raises MissingExtraError."""
    # Official builds since 1.29 report usage unless this is set before the import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    module = import_extra("onnxruntime", "running .onnx files", "onnx")
    module.disable_telemetry_events()
    return module


class OnnxRuntime:
    """One session on the CPU; the batch is free, so all films run at once."""

    def __init__(self, content: bytes, *, threads: int, name: str) -> None:
        ort = import_onnxruntime()
        self.name = name
        self._failures = ort_errors(ort)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except self._failures as error:
            raise RuntimeFailure(
                f"{name}: ONNX Runtime cannot load it ({first_line(error)}); export it again"
            ) from error
        check_input(self._session.get_inputs(), name)
        found = {
            item.name: (_DTYPES.get(item.type, item.type), tuple(item.shape)) for item in self._session.get_outputs()
        }
        self._outputs = name_outputs(found, name)
        self.info = RuntimeInfo("onnxruntime", ort.__version__, threads, "CPUExecutionProvider", {"coverage": 1.0})

    def run(self, pixels: Pixels) -> Outputs:
        """Run all films as one batch; see `Runtime`."""
        check_pixels(pixels, self.name)
        try:
            values = self._session.run(list(self._outputs.values()), {InputContract().name: pixels})
        except self._failures as error:
            raise RuntimeFailure(f"{self.name}: ONNX Runtime failed to run it ({first_line(error)})") from error
        return {name: np.asarray(value, dtype=np.float32) for name, value in zip(self._outputs, values, strict=True)}

    def close(self) -> None:
        """Free the session."""
        self._session = None


def open(content: bytes, *, threads: int, name: str) -> OnnxRuntime:
    """Load an .onnx file. Raises RuntimeFailure when it is refused or does not keep the input contract."""
    return OnnxRuntime(content, threads=threads, name=name)


def ort_errors(ort: Any) -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises when it refuses a model or fails to run it."""
    state = ort.capi.onnxruntime_pybind11_state
    names = (
        "Fail",
        "EPFail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NoSuchFile",
        "NotImplemented",
        "RuntimeException",
    )
    return (*(getattr(state, name) for name in names), RuntimeError, ValueError)


def check_input(inputs: list[Any], name: str) -> None:
    """Raise RuntimeFailure unless the inputs of a session are those of the input contract."""
    contract = InputContract()
    found = [(item.name, list(item.shape)[1:], item.type) for item in inputs]
    if found != [(contract.name, list(contract.shape[1:]), f"tensor({contract.dtype})")]:
        raise RuntimeFailure(
            f"{name}: takes {found}, the input contract is {contract.name} {contract.shape} {contract.dtype}; "
            "export the model with 'cxr-edge export'"
        )
