"""ONNX artifacts: tf2onnx for float32, ONNX Runtime's tools for float16 and int8."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from cxr_edge.contract import InputContract, Pixels
from cxr_edge.errors import ExportError
from cxr_edge.export.convert import onnx_graph
from cxr_edge.export.convert.base import QuantizedLayer, Ranges, check_all_put, find_layer
from cxr_edge.export.convert.metadata import Facts, attach_onnx
from cxr_edge.export.graph.deployment import HEAD_SCOPE, Deployment, freeze
from cxr_edge.export.recipes import SMALL_WEIGHTS, Recipe
from cxr_edge.runtimes.onnx import import_onnxruntime

__all__ = ["OPSET", "ONNXConverter"]

OPSET = 17
"""Read by every ONNX Runtime since 1.12 (2022), old phones' builds included."""

_QUANTIZED_OPERATORS = ["Conv", "Add", "Clip", "Relu", "AveragePool", "MaxPool", "Concat", "Pad"]
_HEAD_OPERATORS = ["MatMul", "Gemm"]


class ONNXConverter:
    """ONNX; see `Converter`."""

    format = "onnx"
    rounds_ties_to_even = True

    def convert_float(self, deployment: Deployment) -> bytes:
        """Return the float32 .onnx of a deployment, any batch. Raises ExportError when the converter fails."""
        model = _convert_graph(deployment)
        by_name = {output.name: output for output in model.graph.output}
        del model.graph.output[:]
        model.graph.output.extend(by_name[name] for name in deployment.output_names)
        onnx_graph.name_batch(model)
        onnx_graph.renumber(model)
        return onnx_graph.to_bytes(model)

    def quantize(
        self,
        float_content: bytes,
        recipe: Recipe,
        films: Pixels | None,
        *,
        whole: bool = False,
        ranges: Ranges | None = None,
    ) -> bytes:
        """Return the .onnx of `recipe` made from the float32 one; see `Converter.quantize`."""
        model = onnx.load_model_from_string(float_content)
        head = [] if whole else [node.name for node in model.graph.node if HEAD_SCOPE in node.name]
        if recipe.name == "float16":
            return _to_float16(model, [*head, *_list_small(model)])
        if films is None:
            raise ExportError(f"{recipe.name} needs calibration films; give --data")
        return _to_int8(model, head, films, ranges or {})

    def put_layers(self, content: bytes, layers: Mapping[str, QuantizedLayer]) -> bytes:
        """Return an int8 .onnx with other layers; see `Converter.put_layers`."""
        model = onnx.load_model_from_string(content)
        stored = {item.name: item for item in model.graph.initializer}
        makers = {output: node for node in model.graph.node for output in node.output}
        put = set()
        for node in model.graph.node:
            if node.op_type != "Conv":
                continue
            # tf2onnx drops the name of a depthwise convolution, but not that of its output.
            name = find_layer(";".join([node.name, *node.output]), layers)
            if name is not None:
                values = _list_values(layers[name], node, makers, stored)
                onnx_graph.store(stored, values)
                put.add(name)
        check_all_put(put, layers, self.format)
        return onnx_graph.to_bytes(model)

    def attach_facts(self, content: bytes, facts: Facts) -> bytes:
        """Return the .onnx with the facts in metadata_props; see `metadata.attach_onnx`."""
        return attach_onnx(content, facts)


def _convert_graph(deployment: Deployment) -> Any:
    import tf2onnx

    frozen = freeze(deployment, batch=None)
    order = sorted(deployment.output_names)
    names = {tensor.name: name for tensor, name in zip(frozen.outputs, order, strict=True)}
    entry = frozen.inputs[0].name
    with _quiet():
        try:
            model, _ = tf2onnx.convert.from_graph_def(
                frozen.graph.as_graph_def(),
                input_names=[entry],
                output_names=list(names),
                opset=OPSET,
                tensors_to_rename=names | {entry: InputContract().name},
            )
        except (RuntimeError, ValueError, KeyError) as error:
            raise ExportError(f"ONNX conversion failed: {str(error).splitlines()[0]}") from error
    return model


def _list_values(
    layer: QuantizedLayer, node: Any, makers: Mapping[str, Any], stored: Mapping[str, Any]
) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that a layer brings to a convolution, by the constants that it reads.

    `makers` are the nodes that give each tensor. The integers are stored unsigned, 128 higher.
    """
    _, entry_scale, *_ = makers[node.input[0]].input
    weights, weights_scale, weights_point = makers[node.input[1]].input
    bias, bias_scale, *_ = makers[node.input[2]].input
    # Keras stores depthwise kernels as (height, width, channels, 1), others with the inputs before the outputs.
    depthwise = layer.integers.shape[3] == 1 and layer.integers.shape[2] == len(layer.scales)
    integers = layer.integers.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
    steps = float(numpy_helper.to_array(stored[entry_scale])) * layer.scales.astype(np.float64)
    return {
        weights: (integers.astype(np.int16) + 128).astype(np.uint8),
        weights_scale: layer.scales,
        weights_point: np.full(layer.scales.shape, 128, np.uint8),
        bias: np.rint(layer.bias / steps).astype(np.int32),
        bias_scale: steps.astype(np.float32),
    }


def _list_small(model: Any) -> list[str]:
    """Return the convolutions whose weights are too few to be worth halving."""
    sizes = {item.name: int(np.prod(item.dims)) for item in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv" and sizes.get(node.input[1], SMALL_WEIGHTS) < SMALL_WEIGHTS
    ]


def _to_float16(model: Any, kept: list[str]) -> bytes:
    import_onnxruntime()
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    with _quiet():
        # Of the head, sums of squares in the typicality come near the largest float16.
        half = convert_float_to_float16(model, keep_io_types=True, node_block_list=kept)
        # The conversion appends its casts at the end of the list.
        sorted_model = OnnxModel(half)
        sorted_model.topological_sort()
    return onnx_graph.to_bytes(sorted_model.model)


def _to_int8(model: Any, head: list[str], films: Pixels, ranges: Ranges) -> bytes:
    import_onnxruntime()
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.films = iter(films)

        def get_next(self) -> dict[str, Pixels] | None:
            film = next(self.films, None)
            return None if film is None else {InputContract().name: film[None]}

    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, target = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        onnx.save_model(onnx.shape_inference.infer_shapes(model), source)
        quantization.quantize_static(
            source,
            target,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=_QUANTIZED_OPERATORS if head else _QUANTIZED_OPERATORS + _HEAD_OPERATORS,
            nodes_to_exclude=head,
            # Unsigned weights: with signed ones, sums of 8-bit products saturate on x86 without VNNI and the answers
            # differ from those of an Arm.
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QUInt8,
            per_channel=True,
            extra_options={"TensorQuantOverrides": _override(model, ranges)},
        )
        quantized = onnx.load_model(target)
    onnx_graph.align_zero_points(quantized)
    onnx_graph.halve_large(quantized, head)
    return onnx_graph.to_bytes(quantized)


def _override(model: Any, ranges: Ranges) -> dict[str, list[dict[str, np.float32]]]:
    """Return ranges in the terms of ONNX Runtime, by tensor."""
    overrides = {}
    for node in model.graph.node:
        for tensor in node.output:
            layer = find_layer(tensor, ranges)
            if layer is not None:
                low, high = ranges[layer]
                overrides[tensor] = [{"rmin": np.float32(low), "rmax": np.float32(high)}]
    return overrides


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
