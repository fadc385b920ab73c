"""The frozen part of a network, run by LiteRT: the same numbers as TensorFlow's, at a quarter of its time on a CPU."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from cxr_edge.contract import Pixels
from cxr_edge.processes.cores import count_cores
from cxr_edge.system.native_stderr import quiet_stderr

__all__ = ["Front"]

Activations = npt.NDArray[np.float32]


class Front:
    """A network that no longer trains, converted once; `shape` is that of the activations of one film."""

    def __init__(self, model: keras.Model) -> None:
        """Convert `model`, which takes uint8 pixels (n, 224, 224, 3) and has one float32 output."""
        source, output = model.inputs[0], model.outputs[0]
        self.shape: tuple[int, ...] = tuple(output.shape[1:])
        call = tf.function(lambda pixels: model(pixels, training=False), autograph=False)
        traced = call.get_concrete_function(tf.TensorSpec((1, *source.shape[1:]), source.dtype))
        # The weights become constants first: given the variables, the converter makes a network that answers NaN.
        frozen = convert_variables_to_constants_v2(traced)
        with quiet_stderr():
            content = tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()
            self._interpreter: Any = Interpreter(model_content=content, num_threads=count_cores())
            self._interpreter.allocate_tensors()
        self._source = self._interpreter.get_input_details()[0]["index"]
        self._target = self._interpreter.get_output_details()[0]["index"]

    def run(self, pixels: Pixels) -> Activations:
        """Return the activations (n, *shape) of films (n, 224, 224, 3)."""
        made = np.empty((len(pixels), *self.shape), dtype=np.float32)
        # One film at a time: LiteRT spreads it over the cores, and its working set stays in their caches.
        for row, film in enumerate(pixels):
            self._interpreter.set_tensor(self._source, film[None])
            self._interpreter.invoke()
            made[row] = self._interpreter.get_tensor(self._target)[0]
        return made
