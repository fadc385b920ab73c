"""From a trained bundle to TFLite and ONNX artifacts.

What belongs here: building the graph for a device, converting and quantising it, repairing int8, and checking what came
out. What does not: training, and measuring the result on devices (`benchmarks`).

The package is a function too: `cxr_edge.export("build/mine", quantize=["int8"])` is `cxr_edge.export.api.export`. Its
name was given for the folder and wanted for the function; see docs/adr/0020-rooms-and-layers.md.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

# Before TensorFlow's first import: its start-up log tells a user nothing.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


class _CallablePackage(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Export a bundle; see `api.export`."""
        from cxr_edge.export.api import export

        return export(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
