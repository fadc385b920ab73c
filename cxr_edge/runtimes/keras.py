"""Keras, the runtime of the reference model.keras; needs TensorFlow."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from cxr_edge.contract import KERAS_NAME, InputContract, Outputs, Pixels, check_pixels
from cxr_edge.errors import MissingExtraError, PreflightError, RuntimeFailure
from cxr_edge.preflight.flatbuffer import Malformed
from cxr_edge.preflight.keras import check_weights
from cxr_edge.runtimes.base import RuntimeInfo
from cxr_edge.system.native_stderr import import_tensorflow
from cxr_edge.system.text import first_line

__all__ = ["KerasRuntime", "load_model", "open"]

_BATCH = 32


def load_model(content: bytes, *, name: str) -> Any:
    """Return the Keras model in a .keras file, loaded in safe mode.

    Raises RuntimeFailure, MissingExtraError, and PreflightError for weights that do not lie in the file.
    """
    try:
        import_tensorflow()
        import keras
    except ImportError as error:
        raise MissingExtraError(f"running {KERAS_NAME}", "train") from error
    try:
        check_weights(content)
    except Malformed as error:
        raise PreflightError(f"{name}: refused before it was opened, since {error}; train it again") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / KERAS_NAME
        path.write_bytes(content)
        try:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise RuntimeFailure(
                f"{name}: Keras cannot load it ({first_line(error)}); train or export it again"
            ) from error


class KerasRuntime:
    """The trained classifier itself; its probabilities are what every artifact is compared with."""

    def __init__(self, content: bytes, *, threads: int, name: str) -> None:
        self.name = name
        _limit_threads(threads)
        self._model: Any = load_model(content, name=name)
        shape = tuple(self._model.input_shape[1:])
        if shape != InputContract().shape[1:]:
            raise RuntimeFailure(
                f"{name}: takes {shape}, the input contract is {InputContract().shape[1:]}; train it again"
            )
        import keras
        import tensorflow as tf

        # The count that is in force: a process that ran TensorFlow before keeps its first one; 0 is all cores.
        used = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count() or 1
        self.info = RuntimeInfo("tensorflow", tf.__version__, used, "none", {"keras": keras.__version__})

    def run(self, pixels: Pixels) -> Outputs:
        """Run the films in batches; see `Runtime`."""
        check_pixels(pixels, self.name)
        parts = [
            np.asarray(self._model(pixels[start : start + _BATCH], training=False))
            for start in range(0, len(pixels), _BATCH)
        ]
        return {"probabilities": np.concatenate(parts).astype(np.float32)}

    def close(self) -> None:
        """Free the model."""
        self._model = None


def open(content: bytes, *, threads: int, name: str) -> KerasRuntime:
    """Load a .keras file. Raises RuntimeFailure when it is no classifier of ours, MissingExtraError without Keras."""
    return KerasRuntime(content, threads=threads, name=name)


def _limit_threads(threads: int) -> None:
    """Ask TensorFlow for `threads` CPU threads, which it grants before its first operation only."""
    try:
        import_tensorflow()
        import tensorflow as tf
    except ImportError as error:
        raise MissingExtraError(f"running {KERAS_NAME}", "train") from error
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
