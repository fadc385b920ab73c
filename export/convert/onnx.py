"""ONNX artifacts: tf2onnx for float32, ONNX Runtime's tools for float16 and int8."""

from __future__ import annotations

import contextlib
import copy
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from cxr_edge.contract import InputContract, Pixels
from cxr_edge.errors import ExportError
from cxr_edge.export.graph.deployment import HEAD_SCOPE, Deployment, freeze
from cxr_edge.export.recipes import SMALL_WEIGHTS, Recipe
from cxr_edge.export.repair.ranges import Ranges
from cxr_edge.export.repair.simulation import QuantizedLayer, find_layer
from cxr_edge.runtimes.onnx import import_onnxruntime

__all__ = ["OPSET", "convert_float", "put_layers", "quantize"]

OPSET = 17
"""Read by every ONNX Runtime since 1.12 (2022), old phones' builds included."""

_LARGE = 10_000
_COUNTED = re.compile(r"__\d+(:\d+)?$")
_QUANTIZED_OPERATORS = ["Conv", "Add", "Clip", "Relu", "AveragePool", "MaxPool", "Concat", "Pad"]


def convert_float(deployment: Deployment) -> bytes:
    """Return the float32 .onnx of a deployment, any batch. Raises ExportError when the converter fails."""
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
    by_name = {output.name: output for output in model.graph.output}
    del model.graph.output[:]
    model.graph.output.extend(by_name[name] for name in deployment.output_names)
    _name_batch(model)
    _renumber(model)
    return _finish(model)


def quantize(
    float_content: bytes, recipe: Recipe, films: Pixels | None, *, whole: bool = False, ranges: Ranges | None = None
) -> bytes:
    """Return the .onnx of `recipe` made from the float32 one; `films` (n, 224, 224, 3) calibrate int8.

    The head behind the feature map stays float, as in TFLite, unless `whole`. `ranges` take the place of those that the
    films show, where a layer has one.
    """
    model = onnx.load_model_from_string(float_content)
    head = [] if whole else [node.name for node in model.graph.node if HEAD_SCOPE in node.name]
    if recipe.name == "float16":
        return _to_float16(model, [*head, *_list_small(model)])
    if films is None:
        raise ExportError(f"{recipe.name} needs calibration films; give --data")
    return _to_int8(model, head, films, ranges or {})


def put_layers(content: bytes, layers: Mapping[str, QuantizedLayer]) -> bytes:
    """Return an int8 .onnx with other integers, scales and biases in its convolutions.

    The integers are stored unsigned, 128 higher. Raises ExportError when the file has not exactly these layers.
    """
    model = onnx.load_model_from_string(content)
    stored = {item.name: item for item in model.graph.initializer}
    makers = {output: node for node in model.graph.node for output in node.output}
    put = set()
    for node in model.graph.node:
        # tf2onnx drops the name of a depthwise convolution, but not that of its output.
        name = find_layer(";".join([node.name, *node.output]), layers) if node.op_type == "Conv" else None
        if name is None:
            continue
        layer = layers[name]
        entry, weights, bias = (makers[tensor].input for tensor in node.input)
        # Keras stores depthwise kernels as (height, width, channels, 1), others with the inputs before the outputs.
        depthwise = layer.integers.shape[3] == 1 and layer.integers.shape[2] == len(layer.scales)
        integers = layer.integers.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        steps = float(numpy_helper.to_array(stored[entry[1]])) * layer.scales.astype(np.float64)
        for tensor, value in {
            weights[0]: (integers.astype(np.int16) + 128).astype(np.uint8),
            weights[1]: layer.scales,
            weights[2]: np.full(layer.scales.shape, 128, np.uint8),
            bias[0]: np.rint(layer.bias / steps).astype(np.int32),
            bias[1]: steps.astype(np.float32),
        }.items():
            stored[tensor].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), tensor))
        put.add(name)
    if put != set(layers):
        raise ExportError(f"repair: the .onnx lacks the layers {', '.join(sorted(set(layers) - put))}; report this")
    return _finish(model)


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
    return _finish(sorted_model.model)


def _to_int8(model: Any, head: list[str], films: Pixels, ranges: Ranges) -> bytes:
    import_onnxruntime()
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.films = iter(films)

        def get_next(self) -> dict[str, Any] | None:
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
            op_types_to_quantize=[*_QUANTIZED_OPERATORS, *([] if head else ["MatMul", "Gemm"])],
            nodes_to_exclude=head,
            # Unsigned weights: with signed ones, sums of 8-bit products saturate on x86 without VNNI and the answers
            # differ from those of an Arm.
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QUInt8,
            per_channel=True,
            extra_options={"TensorQuantOverrides": _override(model, ranges)},
        )
        return _finish(_halve_large(_align_zero_points(onnx.load_model(target)), head))


def _override(model: Any, ranges: Ranges) -> dict[str, list[dict[str, Any]]]:
    """Return ranges in the terms of ONNX Runtime, by tensor."""
    layers = {tensor: find_layer(tensor, ranges) for node in model.graph.node for tensor in node.output}
    return {
        tensor: [dict(zip(("rmin", "rmax"), map(np.float32, ranges[layer]), strict=True))]
        for tensor, layer in layers.items()
        if layer
    }


def _align_zero_points(model: Any) -> Any:
    """Give the channels of a convolution whose weights are all 0 the zero point of the others.

    ONNX Runtime up to 1.26 refuses different ones within a tensor, and later versions are several times slower on them.
    """
    stored = {item.name: item for item in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in stored:
            continue
        weights, points = (numpy_helper.to_array(stored[node.input[at]]).copy() for at in (0, 2))
        if points.ndim != 1 or weights.ndim != 4 or len(np.unique(points)) == 1:
            continue
        common = np.bincount(points).argmax().astype(points.dtype)
        dead = (points != common) & (weights == points[:, None, None, None]).all(axis=(1, 2, 3))
        weights[dead], points[dead] = common, common
        for name, value in ((node.input[0], weights), (node.input[2], points)):
            stored[name].CopyFrom(numpy_helper.from_array(value, name))
    return model


def _halve_large(model: Any, nodes: list[str]) -> Any:
    """Store the large float matrices that `nodes` read in half precision, behind casts that are folded at loading."""
    read = {tensor for node in model.graph.node if node.name in nodes for tensor in node.input}
    for item in model.graph.initializer:
        if item.name not in read or item.data_type != onnx.TensorProto.FLOAT or np.prod(item.dims) < _LARGE:
            continue
        half = f"{item.name}_half"
        cast = onnx.helper.make_node("Cast", [half], [item.name], f"{HEAD_SCOPE}/{half}", to=onnx.TensorProto.FLOAT)
        item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item).astype(np.float16), half))
        model.graph.node.insert(0, cast)
    return model


def _renumber(model: Any) -> None:
    """Give the names that tf2onnx counts up, and those of constants, numbers in the order of the nodes that use them.

    Its own numbers, and which of several equal constants it keeps, depend on the order of Python's sets.
    """
    kept = {value.name for value in (*model.graph.input, *model.graph.output)}
    constants = {item.name: item for item in model.graph.initializer}
    renamed: dict[str, str] = {}
    for number, node in enumerate(model.graph.node):
        for tensor in node.input:
            if tensor in constants and tensor not in renamed:
                renamed[tensor] = f"constant_{len(renamed)}"
        renamed |= {
            tensor: f"{_COUNTED.sub('', tensor)}_{number}_{place}"
            for place, tensor in enumerate(node.output)
            if tensor not in kept and _COUNTED.search(tensor)
        }
        if _COUNTED.search(node.name):
            node.name = f"{_COUNTED.sub('', node.name)}_{number}"
        node.input[:] = [renamed.get(tensor, tensor) for tensor in node.input]
        node.output[:] = [renamed.get(tensor, tensor) for tensor in node.output]
    used = [constants[tensor] for tensor in renamed if tensor in constants]
    for item in used:
        item.name = renamed[item.name]
    del model.graph.value_info[:]
    copies = [copy.deepcopy(item) for item in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(copies)


def _name_batch(model: Any) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def _finish(model: Any) -> bytes:
    """Check a model and return its bytes, with nothing in them that changes from run to run."""
    model.producer_name = "cxr-edge"
    model.producer_version = ""
    model.doc_string = ""
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


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
