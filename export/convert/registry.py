"""The one place that picks a format's converter."""

from __future__ import annotations

from cxr_edge.errors import UsageError
from cxr_edge.export.convert.base import Converter
from cxr_edge.export.recipes import FORMATS

__all__ = ["open_converter"]


def open_converter(format: str) -> Converter:
    """Return the converter to `format`. Raises UsageError for a format that is not in `recipes.FORMATS`."""
    # Each adapter is imported where it is needed, for it imports a heavy library.
    if format == "tflite":
        from cxr_edge.export.convert.litert import LiteRTConverter

        return LiteRTConverter()
    if format == "onnx":
        from cxr_edge.export.convert.onnx import ONNXConverter

        return ONNXConverter()
    raise UsageError(f"no converter writes the format '{format}'; choose from {', '.join(FORMATS)}")
