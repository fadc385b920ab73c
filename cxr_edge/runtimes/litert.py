"""LiteRT, the runtime of .tflite files: ai-edge-litert, or tflite-runtime where only that has wheels (32-bit Arm)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from cxr_edge.contract import InputContract, Outputs, Pixels, check_pixels, name_outputs
from cxr_edge.errors import RuntimeFailure
from cxr_edge.runtimes.base import RuntimeInfo
from cxr_edge.system.native_stderr import quiet_stderr
from cxr_edge.system.text import first_line

__all__ = ["LiteRt", "open"]


class LiteRt:
    """One interpreter. A .tflite has a fixed batch of one, so `run` feeds its films one after the other."""

    def __init__(self, content: bytes, *, threads: int, name: str) -> None:
        module, library, version = _import_runtime()
        self.name = name
        try:
            with quiet_stderr():
                self._interpreter: Any = module.Interpreter(model_content=content, num_threads=threads)
                self._interpreter.allocate_tensors()
            taken, details = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as error:
            raise RuntimeFailure(f"{name}: LiteRT cannot load it ({first_line(error)}); export it again") from error
        self._input = _check_input(taken, name)
        self._outputs = name_outputs({item["name"]: _describe(item) for item in details}, name)
        self._index = {item["name"]: item["index"] for item in details}
        self.info = RuntimeInfo(library, version, threads, "XNNPACK")

    def run(self, pixels: Pixels) -> Outputs:
        """Run the films one by one; see `Runtime`."""
        check_pixels(pixels, self.name)
        rows: dict[str, list[Any]] = {output: [] for output in self._outputs}
        for film in pixels:
            try:
                self._interpreter.set_tensor(self._input, film[None])
                self._interpreter.invoke()
                for output, tensor in self._outputs.items():
                    rows[output].append(self._interpreter.get_tensor(self._index[tensor])[0])
            except (IndexError, ValueError, RuntimeError) as error:
                raise RuntimeFailure(f"{self.name}: LiteRT failed to run it ({first_line(error)})") from error
        return {output: np.asarray(values, dtype=np.float32) for output, values in rows.items()}

    def operations(self) -> list[dict[str, Any]]:
        """Return the graph's operations as the interpreter lists them, with the delegates that took some over."""
        # The one call that lists them, in tflite-runtime too, is not in the public part of its interface.
        found: list[dict[str, Any]] = self._interpreter._get_ops_details()
        return found

    def shapes(self) -> dict[int, tuple[int, ...]]:
        """Return the shape of each tensor by its index."""
        return {int(item["index"]): tuple(item["shape"]) for item in self._interpreter.get_tensor_details()}

    def close(self) -> None:
        """Free the interpreter."""
        self._interpreter = None


def open(content: bytes, *, threads: int, name: str) -> LiteRt:
    """Load a .tflite file. Raises RuntimeFailure when LiteRT refuses it or it does not keep the input contract."""
    if content[4:8] != b"TFL3":
        raise RuntimeFailure(
            f"{name}: is no TFLite model (it lacks the TFL3 mark); give a file that 'cxr-edge export' wrote"
        )
    return LiteRt(content, threads=threads, name=name)


def _import_runtime() -> tuple[ModuleType, str, str]:
    """Return the interpreter's module, and the name and version of its package."""
    # The packages' own version: importlib.metadata would cost a tenth of the time that classifying one film takes.
    try:
        import ai_edge_litert
        from ai_edge_litert import interpreter

        return interpreter, "ai-edge-litert", str(ai_edge_litert.__version__)
    except ImportError:
        pass
    try:
        import tflite_runtime
        from tflite_runtime import interpreter

        return interpreter, "tflite-runtime", str(tflite_runtime.__version__)
    except ImportError as error:
        raise RuntimeFailure(
            "no LiteRT runtime is installed; type: pip install ai-edge-litert (on 32-bit Arm: tflite-runtime)"
        ) from error


def _check_input(details: list[dict[str, Any]], name: str) -> int:
    contract = InputContract()
    found = [_describe(item) for item in details]
    if found != [(contract.dtype, contract.shape)]:
        raise RuntimeFailure(
            f"{name}: takes {found}, the input contract is [('{contract.dtype}', {contract.shape})]; "
            "export the model with 'cxr-edge export'"
        )
    return int(details[0]["index"])


def _describe(tensor: dict[str, Any]) -> tuple[str, tuple[int, ...]]:
    return np.dtype(tensor["dtype"]).name, tuple(int(side) for side in tensor["shape"])
