"""The one place that picks a runtime's adapter for a model file."""

from __future__ import annotations

from cxr_edge.errors import RuntimeFailure
from cxr_edge.runtimes.base import Runtime

__all__ = ["FORMATS", "open_content"]

FORMATS = ("tflite", "onnx", "keras")


def open_content(content: bytes, format: str, *, threads: int = 1, name: str = "model") -> Runtime:
    """Open the model file `content` of `format` (tflite, onnx or keras), whoever made it.

    Commands call `models.open_model`, which checks a file that is not trusted first. Raises RuntimeFailure,
    MissingExtraError.
    """
    # Each adapter is imported where it is needed, for it imports a heavy library.
    if format == "tflite":
        from cxr_edge.runtimes import litert

        return litert.open(content, threads=threads, name=name)
    if format == "onnx":
        from cxr_edge.runtimes import onnx

        return onnx.open(content, threads=threads, name=name)
    if format == "keras":
        from cxr_edge.runtimes import keras

        return keras.open(content, threads=threads, name=name)
    raise RuntimeFailure(f"{name}: no runtime reads the format '{format}'; known are {', '.join(FORMATS)}")
