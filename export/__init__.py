"""From a trained bundle to TFLite and ONNX artifacts.

What belongs here: the export of a bundle (`pipeline`), its recipes, the films that it draws and checks, and the golden
vectors of what it made; the Keras graph, the converters and the int8 repair have rooms of their own below. What does
not: training, measuring what an artifact is worth (`benchmarks`), and running one (`runtimes`, `inference`).

`pipeline` imports nothing heavy: TensorFlow comes with `conversion`, by way of `native_stderr.import_tensorflow`.

The package is a function too: `cxr_edge.export("build/mine", quantize=["int8"])` is `cxr_edge.export.api.export`. Its
name was given for the folder and wanted for the function; see docs/adr/0020-rooms-and-layers.md.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Export a bundle; see `api.export`."""
        from cxr_edge.export.api import export

        return export(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
