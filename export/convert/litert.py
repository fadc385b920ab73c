"""TFLite artifacts: TensorFlow's converter for float32, LiteRT's quantizer on its flatbuffer for all others."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from litert_quantizer import algorithm_manager, calibrator, qtyping, quantizer

from cxr_edge.contract import OUTPUT_SIZES, InputContract, Pixels
from cxr_edge.errors import ExportError
from cxr_edge.export.convert import flatbuffer
from cxr_edge.export.convert.base import QuantizedLayer, Ranges, check_all_put, find_layer
from cxr_edge.export.convert.metadata import Facts, attach_tflite
from cxr_edge.export.graph.deployment import HEAD_SCOPE, Deployment, freeze
from cxr_edge.export.recipes import SMALL_WEIGHTS, Recipe
from cxr_edge.processes.cores import count_cores
from cxr_edge.system.native_stderr import quiet_stderr

__all__ = ["LiteRTConverter"]

Extremes = dict[str, dict[str, npt.NDArray[Any]]]
"""What a calibration saw of each tensor: "min" and "max", among others."""

_ALL = qtyping.TFLOperationName.ALL_SUPPORTED
_MIN_MAX = algorithm_manager.AlgorithmName.MIN_MAX_UNIFORM_QUANT
_SKIP = algorithm_manager.AlgorithmName.NO_QUANTIZE
_CASTING = algorithm_manager.AlgorithmName.FLOAT_CASTING
_CONVOLUTIONS = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D)
_HALF = qtyping.OpQuantizationConfig(
    weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
    compute_precision=qtyping.ComputePrecision.FLOAT,
    explicit_dequantize=True,
)


class LiteRTConverter:
    """TFLite; see `Converter`."""

    format = "tflite"
    rounds_ties_to_even = False

    def convert_float(self, deployment: Deployment) -> bytes:
        """Return the float32 .tflite of a deployment, batch 1. Raises ExportError when the converter fails."""
        with _quiet():
            converter = tf.lite.TFLiteConverter.from_concrete_functions([freeze(deployment, batch=1)])
            try:
                content = bytes(converter.convert())
            except (RuntimeError, ValueError) as error:
                raise ExportError(f"TFLite conversion failed: {str(error).splitlines()[0]}") from error
        return flatbuffer.name_tensors(content, deployment.output_names, deployment.output_widths)

    def quantize(
        self,
        float_content: bytes,
        recipe: Recipe,
        films: Pixels | None,
        *,
        whole: bool = False,
        ranges: Ranges | None = None,
    ) -> bytes:
        """Return the .tflite of `recipe` made from the float32 one; see `Converter.quantize`."""
        with _quiet():
            work = quantizer.Quantizer(bytearray(float_content))
            _apply(work, recipe, whole=whole)
            if recipe.name == "float16":
                _keep_small_layers(work, float_content)
            extremes = None
            if work.need_calibration:
                if films is None:
                    raise ExportError(f"{recipe.name} needs calibration films; give --data")
                extremes = _calibrate(work, films)
                _replace_ranges(extremes, ranges or {})
            result = work.quantize(extremes, enable_progress_bar=False, enable_progress_report=False)
        return bytes(result.quantized_model)

    def put_layers(self, content: bytes, layers: Mapping[str, QuantizedLayer]) -> bytes:
        """Return a static int8 .tflite with other layers; see `Converter.put_layers`."""
        model = flatbuffer.read(content)
        put = set()
        for operation in model.subgraphs[0].operators:
            code = model.operatorCodes[operation.opcodeIndex].builtinCode
            if code not in _CONVOLUTIONS:
                continue
            weights = model.subgraphs[0].tensors[int(operation.inputs[1])]
            name = find_layer(weights.name.decode(), layers)
            if name is not None:
                _put_layer(model, operation, layers[name], depthwise=code == schema.BuiltinOperator.DEPTHWISE_CONV_2D)
                put.add(name)
        check_all_put(put, layers, self.format)
        return flatbuffer.write(model)

    def attach_facts(self, content: bytes, facts: Facts) -> bytes:
        """Return the .tflite with its metadata inside; see `metadata.attach_tflite`."""
        return attach_tflite(content, facts)


def _calibrate(work: Any, films: Pixels) -> Extremes:
    """Return the least and the greatest value of every tensor on the films, by its name."""
    inputs = [{InputContract().name: film[None]} for film in films]
    extremes: Extremes = work.calibrate(
        {flatbuffer.SIGNATURE: inputs},
        num_threads=count_cores(),
        mode=calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,
    )
    return extremes


def _replace_ranges(extremes: Extremes, ranges: Ranges) -> None:
    for tensor, found in extremes.items():
        layer = find_layer(tensor, ranges)
        if layer is not None:
            low, high = ranges[layer]
            found["min"], found["max"] = np.array([low]), np.array([high])


def _put_layer(model: Any, operation: Any, layer: QuantizedLayer, *, depthwise: bool) -> None:
    """Write a layer's integers, scales and bias into the tensors of a convolution."""
    tensors = model.subgraphs[0].tensors
    entry = tensors[int(operation.inputs[0])]
    weights = tensors[int(operation.inputs[1])]
    bias = tensors[int(operation.inputs[2])]
    integers = layer.integers[None, ..., 0] if depthwise else layer.integers.transpose(3, 0, 1, 2)
    steps = float(entry.quantization.scale[0]) * layer.scales.astype(np.float64)
    offsets = np.rint(layer.bias / steps).astype(np.int32)
    model.buffers[weights.buffer].data = np.ascontiguousarray(integers).view(np.uint8).reshape(-1)
    model.buffers[bias.buffer].data = offsets.view(np.uint8)
    weights.quantization.scale = layer.scales
    bias.quantization.scale = steps.astype(np.float32)


def _keep_small_layers(work: Any, float_content: bytes) -> None:
    for name in _list_small(float_content):
        work.update_quantization_recipe(f".*{re.escape(name)}.*", _ALL, algorithm_key=_SKIP)


def _list_small(content: bytes) -> list[str]:
    """Return the output tensors of the convolutions whose weights are too few to be worth halving."""
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    found = []
    for operation in graph.operators:
        code = model.operatorCodes[operation.opcodeIndex].builtinCode
        if code in _CONVOLUTIONS and np.prod(graph.tensors[int(operation.inputs[1])].shape) < SMALL_WEIGHTS:
            found.append(graph.tensors[int(operation.outputs[0])].name.decode())
    return found


def _apply(work: Any, recipe: Recipe, *, whole: bool) -> None:
    """Write a recipe in the quantizer's own terms: everything, then the exceptions."""
    if recipe.name == "float16":
        work.update_quantization_recipe(".*", _ALL, _HALF, _CASTING)
    elif recipe.name == "dynamic":
        work.add_dynamic_config(".*", _ALL, num_bits=8, algorithm_key=_MIN_MAX)
    else:
        bits = 16 if recipe.name == "int16x8" else 8
        work.add_static_config(".*", _ALL, activation_num_bits=bits, weight_num_bits=8, algorithm_key=_MIN_MAX)
    if whole:
        work.update_quantization_recipe(".*", qtyping.TFLOperationName.OUTPUT, algorithm_key=_SKIP)
        return
    head = "|".join([HEAD_SCOPE, *map(re.escape, OUTPUT_SIZES)])
    work.update_quantization_recipe(f".*({head}).*", _ALL, algorithm_key=_SKIP)
    # Its one large matrix, at half the size and with no loss that shows.
    work.update_quantization_recipe(f".*({head}).*", qtyping.TFLOperationName.CONV_2D, _HALF, _CASTING)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' own progress and log lines off the user's terminal."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with (
            quiet_stderr(),
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            # The calibrator reads tensors in a way that LiteRT calls experimental.
            warnings.filterwarnings("ignore", "Warning: Enabling .experimental_preserve_all_tensors", UserWarning)
            yield
    finally:
        logger.setLevel(level)
