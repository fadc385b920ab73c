"""Graphics processors: ONNX Runtime with WebGPU or CUDA, and LiteRT's own accelerator. Nothing falls back to the CPU.

Left to itself ONNX Runtime puts what a provider does not take, or all of it where there is no device, on the CPU and
says nothing; here that is an error. A run ends when its outputs are back in main memory, so a time holds the reading.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np

from cxr_edge.contract import InputContract, Outputs, Pixels, check_pixels, name_outputs
from cxr_edge.errors import RuntimeFailure
from cxr_edge.runtimes.base import Runtime, RuntimeInfo
from cxr_edge.runtimes.onnx import check_input, import_onnxruntime, ort_errors
from cxr_edge.system.extras import import_extra
from cxr_edge.system.text import first_line

__all__ = ["ACCELERATORS", "list_adapters", "open"]

ACCELERATORS = {"webgpu": "onnx", "cuda": "onnx", "litert": "tflite"}
"""Each accelerator with the format that it runs."""

_WEBGPU = "WebGpuExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_ALLOW_SOFTWARE = "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER"


class OnnxGpu:
    """One ONNX Runtime session whose every node runs on the accelerator."""

    def __init__(self, content: bytes, accelerator: str, *, name: str, software: bool) -> None:
        ort = import_onnxruntime()
        self.name = name
        self._failures = ort_errors(ort)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        described = _add_webgpu(ort, options, software) if accelerator == "webgpu" else "CUDA"
        providers = [_CUDA] if accelerator == "cuda" else None
        if accelerator == "cuda" and _CUDA not in ort.get_available_providers():
            raise RuntimeFailure(f"{name}: this ONNX Runtime has no CUDA; type: pip install onnxruntime-gpu")
        try:
            self._session: Any = ort.InferenceSession(content, options, providers=providers)
        except self._failures as error:
            raise RuntimeFailure(
                f"{name}: {described} does not run all of it ({first_line(error)}); use an artifact in float32 "
                "or the device cpu"
            ) from error
        first = self._session.get_providers()[0]
        if first == "CPUExecutionProvider":
            raise RuntimeFailure(f"{name}: ONNX Runtime found no device for {accelerator} and took the CPU; use cpu")
        check_input(self._session.get_inputs(), name)
        self._outputs = name_outputs({item.name: _describe_onnx(item) for item in self._session.get_outputs()}, name)
        self.info = RuntimeInfo("onnxruntime", ort.__version__, 1, f"{first}, {described}", {"coverage": 1.0})

    def run(self, pixels: Pixels) -> Outputs:
        """Run all films as one batch and read the outputs back; see `Runtime`."""
        check_pixels(pixels, self.name)
        try:
            values = self._session.run(list(self._outputs.values()), {InputContract().name: pixels})
        except self._failures as error:
            raise RuntimeFailure(f"{self.name}: the accelerator failed to run it ({first_line(error)})") from error
        return {name: np.asarray(value, dtype=np.float32) for name, value in zip(self._outputs, values, strict=True)}

    def close(self) -> None:
        """Free the session."""
        self._session = None


class LiteRtGpu:
    """One LiteRT compiled model, wholly on the graphics processor, in float32 as the artifact has it."""

    def __init__(self, content: bytes, *, name: str) -> None:
        try:
            compiled = importlib.import_module("ai_edge_litert.compiled_model")
            settings = importlib.import_module("ai_edge_litert.options")
            hardware = importlib.import_module("ai_edge_litert.hardware_accelerator").HardwareAccelerator
            import ai_edge_litert
        except ImportError as error:
            raise RuntimeFailure(f"{name}: needs LiteRT 2; type: pip install 'ai-edge-litert>=2.1'") from error
        self.name = name
        # The default precision of the accelerator was seen to be off by 0.3 on 10.
        options = settings.Options(
            hardware_accelerators=hardware.GPU, gpu_options=settings.GpuOptions(enforce_f32=True)
        )
        try:
            self._model: Any = compiled.CompiledModel.from_buffer(content, options=options)
            whole = self._model.is_fully_accelerated()
        except (RuntimeError, ValueError) as error:
            raise RuntimeFailure(
                f"{name}: LiteRT found no graphics processor that runs it ({first_line(error)}); use the device cpu"
            ) from error
        if not whole:
            raise RuntimeFailure(f"{name}: LiteRT's accelerator does not run all of it; use gpu:webgpu or cpu")
        (self._signature,) = self._model.get_signature_list()
        details = self._model.get_output_tensor_details(self._signature)
        found = {tensor: (str(item["dtype"]), tuple(item["shape"])) for tensor, item in details.items()}
        self._outputs = name_outputs(found, name)
        self._sizes = {tensor: int(np.prod(shape)) for tensor, (_, shape) in found.items()}
        self._input, *_ = self._model.get_input_tensor_details(self._signature)
        self._in = self._model.create_input_buffer_by_name(self._signature, self._input)
        self._out = {
            tensor: self._model.create_output_buffer_by_name(self._signature, tensor) for tensor in self._sizes
        }
        self.info = RuntimeInfo("ai-edge-litert", str(ai_edge_litert.__version__), 1, "GPU, float32", {"coverage": 1.0})

    def run(self, pixels: Pixels) -> Outputs:
        """Run the films one by one and read each one's outputs back; see `Runtime`."""
        check_pixels(pixels, self.name)
        rows: dict[str, list[Any]] = {output: [] for output in self._outputs}
        for film in pixels:
            try:
                self._in.write(film[None])
                self._model.run_by_name(self._signature, {self._input: self._in}, self._out)
                for output, tensor in self._outputs.items():
                    rows[output].append(self._out[tensor].read(self._sizes[tensor], np.float32))
            except (RuntimeError, ValueError) as error:
                raise RuntimeFailure(f"{self.name}: the accelerator failed to run it ({first_line(error)})") from error
        return {output: np.asarray(values, dtype=np.float32) for output, values in rows.items()}

    def close(self) -> None:
        """Free the model."""
        self._model.close()


def open(content: bytes, accelerator: str, *, name: str, software: bool = False) -> Runtime:
    """Load an artifact on an accelerator of ACCELERATORS; `software` lets a driver without a device stand in.

    Raises RuntimeFailure without a device, or when it does not take the whole model; MissingExtraError.
    """
    if accelerator == "litert":
        return LiteRtGpu(content, name=name)
    return OnnxGpu(content, accelerator, name=name, software=software)


def list_adapters(*, software: bool = False) -> list[tuple[str, bool]]:
    """Return the name of each device that WebGPU offers here, and whether it is the processor drawing by software.

    Raises MissingExtraError without the plugin, RuntimeFailure when it does not load.
    """
    ort = import_onnxruntime()
    return [(_name_device(item), _is_software(item)) for item in _webgpu_devices(ort, software)]


def _add_webgpu(ort: Any, options: Any, software: bool) -> str:
    devices = _webgpu_devices(ort, software)
    if not devices:
        raise RuntimeFailure(
            "WebGPU found no graphics processor (it needs a Vulkan driver and libvulkan1); install the driver, use the "
            "device cpu, or try it out on a software driver by --allow-software-gpu"
        )
    # A real device before the processor that stands in for one.
    device = sorted(devices, key=_is_software)[0]
    options.add_provider_for_devices([device], {})
    return _name_device(device)


def _webgpu_devices(ort: Any, software: bool) -> list[Any]:
    if software:
        os.environ[_ALLOW_SOFTWARE] = "1"
    else:
        os.environ.pop(_ALLOW_SOFTWARE, None)
    plugin = import_extra("onnxruntime_ep_webgpu", "WebGPU", "gpu")
    # An ONNX Runtime before 1.24 has no plugins.
    refusals: tuple[type[Exception], ...] = (*ort_errors(ort), AttributeError)
    ort.set_default_logger_severity(3)
    try:
        ort.register_execution_provider_library("webgpu", plugin.get_library_path())
    except refusals as error:
        raise RuntimeFailure(
            f"the WebGPU plugin does not load ({first_line(error)}); install libvulkan1 and onnxruntime 1.24 or later"
        ) from error
    return [item for item in ort.get_ep_devices() if item.ep_name == _WEBGPU]


def _is_software(device: Any) -> bool:
    return str(device.device.type).endswith("CPU")


def _name_device(device: Any) -> str:
    if _is_software(device):
        return "software adapter, no graphics processor"
    found = device.device
    described = dict(found.metadata).get("Description", "")
    return described or f"{found.vendor or 'vendor'} {found.vendor_id:#06x}, device {found.device_id:#06x}"


def _describe_onnx(item: Any) -> tuple[str, tuple[Any, ...]]:
    return {"tensor(float)": "float32"}.get(item.type, item.type), tuple(item.shape)
