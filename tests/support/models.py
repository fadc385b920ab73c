"""Models of a few operations that keep the input contract, built by hand: they answer how bright a film is.

`probabilities` are the mean of the pixels over 255 and one minus that, `heatmap` is the same of each of 7x7 cells,
`typicality` is the mean of the pixels itself. So a test knows every answer, needs neither TensorFlow nor the shipped
bundle, and runs in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact, Manifest
from cxr_edge.contract import InputContract, Pixels
from cxr_edge.system.files import sha256_bytes

_Layer = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

OUTPUTS = ("probabilities", "heatmap", "typicality")
CELL_PX = 32

_SHAPE = InputContract().shape
_CHANNEL = np.full(3, 1 / 3, np.float32)
# Weights (outputs, channels) and offsets of each output, from the mean of each channel.
_BRIGHTNESS: _Layer = np.stack([_CHANNEL, -_CHANNEL]) / np.float32(255), np.array([0, 1], np.float32)
_DARKNESS: _Layer = _BRIGHTNESS[0][::-1].copy(), _BRIGHTNESS[1][::-1].copy()
_CELL: _Layer = _CHANNEL[np.newaxis] / np.float32(255), np.zeros(1, np.float32)
_MEAN: _Layer = _CHANNEL[np.newaxis], np.zeros(1, np.float32)


def expected(pixels: Pixels) -> dict[str, npt.NDArray[np.float64]]:
    """Return what the models answer for (n, 224, 224, 3) pixels."""
    mean = pixels.mean(axis=(1, 2, 3))
    cells = pixels.reshape(len(pixels), 7, CELL_PX, 7, CELL_PX, 3).mean(axis=(2, 4, 5)) / 255
    return {
        "probabilities": np.stack([mean / 255, 1 - mean / 255], axis=1),
        "heatmap": cells.reshape(len(pixels), 49),
        "typicality": mean[:, np.newaxis],
    }


def tflite(
    *,
    outputs: tuple[str, ...] = OUTPUTS,
    shape: tuple[int, ...] = _SHAPE,
    dtype: str = "uint8",
    output_dtype: str = "float32",
    names: Mapping[str, str] | None = None,
    inverted: bool = False,
) -> bytes:
    """Return a .tflite file with these outputs; `names` has other tensor names for some of them.

    An `inverted` one gives the two probabilities the other way round.
    """
    graph = _TfLite()
    image = graph.add("image", shape, dtype)
    pixels = graph.cast("pixels", image)
    tensors = {}
    if "heatmap" in outputs:
        pooled = graph.pool("pooled", pixels)
        cells = graph.dense("cells", pooled, _CELL)
        tensors["heatmap"] = graph.flatten("heatmap", cells)
    mean = graph.mean("mean", pixels)
    tensors["probabilities"] = graph.dense("probabilities", mean, _DARKNESS if inverted else _BRIGHTNESS)
    tensors["typicality"] = graph.dense("typicality", mean, _MEAN)
    results = [tensors[name] for name in outputs]
    if output_dtype != "float32":
        results = [graph.cast(f"{name} {output_dtype}", tensors[name], output_dtype) for name in outputs]
    for name, tensor in zip(outputs, results, strict=True):
        graph.tensors[tensor].name = (names or {}).get(name, name).encode()
    return graph.write([image], results)


def onnx(
    *,
    outputs: tuple[str, ...] = OUTPUTS,
    shape: tuple[int | str, ...] = ("n", *_SHAPE[1:]),
    dtype: str = "uint8",
    name: str = "image",
    output_dtype: str = "float32",
) -> bytes:
    """Return an .onnx file with these outputs and a free batch."""
    from onnx import TensorProto, checker, helper, numpy_helper

    types = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
    side = int(shape[1]) // CELL_PX
    constants: dict[str, npt.NDArray[Any]] = {
        "cells_shape": np.array([0, side, CELL_PX, side, CELL_PX, 3], np.int64),
        "row_shape": np.array([0, side * side], np.int64),
        "255": np.array([255], np.float32),
        "brightness_weights": _BRIGHTNESS[0],
        "brightness_offsets": _BRIGHTNESS[1],
        "mean_weights": _MEAN[0],
        "mean_offsets": _MEAN[1],
    }
    made = {
        "probabilities": [
            helper.make_node(
                "Gemm", ["mean", "brightness_weights", "brightness_offsets"], ["raw_probabilities"], transB=1
            )
        ],
        "heatmap": [
            helper.make_node("Reshape", ["pixels", "cells_shape"], ["cells"]),
            helper.make_node("ReduceMean", ["cells"], ["cell_means"], axes=[2, 4, 5], keepdims=0),
            helper.make_node("Div", ["cell_means", "255"], ["cell_shares"]),
            helper.make_node("Reshape", ["cell_shares", "row_shape"], ["raw_heatmap"]),
        ],
        "typicality": [
            helper.make_node("Gemm", ["mean", "mean_weights", "mean_offsets"], ["raw_typicality"], transB=1)
        ],
    }
    widths = {"probabilities": 2, "heatmap": side * side, "typicality": 1}
    graph = helper.make_graph(
        [
            helper.make_node("Cast", [name], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2], keepdims=0),
            *(node for output in outputs for node in made[output]),
            *(helper.make_node("Cast", [f"raw_{output}"], [output], to=types[output_dtype]) for output in outputs),
        ],
        "brightness",
        [helper.make_tensor_value_info(name, types[dtype], shape)],
        [helper.make_tensor_value_info(output, types[output_dtype], [shape[0], widths[output]]) for output in outputs],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def write_bundle(folder: Path, contents: Mapping[str, bytes], *, typicality_limit: float | None = 200.0) -> Bundle:
    """Write a bundle of these artifacts, their hashes right whatever they hold, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    artifacts = {}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        path = Path(name)
        artifacts[name] = Artifact(
            name=name,
            format=path.suffix[1:],
            quantization=path.stem.removeprefix("model_"),
            sha256=sha256_bytes(content),
            size_bytes=len(content),
            outputs=OUTPUTS,
        )
    bundle = Bundle(
        folder,
        Manifest(
            name="brightness",
            architecture="mean of the pixels",
            labels=("covid", "noncovid"),
            positive="covid",
            threshold=0.5,
            contract=InputContract(),
            artifacts=artifacts,
            typicality_limit=typicality_limit,
        ),
    )
    bundle.write_manifest()
    return bundle


class _TfLite:
    """A .tflite graph in the making; every method but `write` returns the index of the tensor it added."""

    def __init__(self) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema: Any = schema
        self.tensors: list[Any] = []
        self._buffers = [schema.BufferT()]
        self._codes: list[Any] = []
        self._operators: list[Any] = []

    def add(
        self, name: str, shape: tuple[int, ...], dtype: str = "float32", data: npt.NDArray[Any] | None = None
    ) -> int:
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name.encode(), list(shape), self._type(dtype)
        if data is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def cast(self, name: str, source: int, dtype: str = "float32") -> int:
        options = self.schema.CastOptionsT()
        options.inDataType, options.outDataType = self.tensors[source].type, self._type(dtype)
        return self._apply("CAST", [source], self.add(name, tuple(self.tensors[source].shape), dtype), options)

    def mean(self, name: str, source: int) -> int:
        """The mean over rows and columns of each channel."""
        batch, *_, channels = self.tensors[source].shape
        axes = self.add(f"{name} axes", (2,), "int32", np.array([1, 2], np.int32))
        return self._apply("MEAN", [source, axes], self.add(name, (batch, channels)), self.schema.ReducerOptionsT())

    def pool(self, name: str, source: int) -> int:
        """The mean of each cell."""
        batch, height, width, channels = self.tensors[source].shape
        options = self.schema.Pool2DOptionsT()
        options.padding = self.schema.Padding.VALID
        options.filterHeight = options.filterWidth = options.strideH = options.strideW = CELL_PX
        target = self.add(name, (batch, height // CELL_PX, width // CELL_PX, channels))
        return self._apply("AVERAGE_POOL_2D", [source], target, options)

    def dense(self, name: str, source: int, layer: _Layer) -> int:
        weights, offsets = layer
        inputs = [
            source,
            self.add(f"{name} weights", weights.shape, data=weights),
            self.add(f"{name} offsets", offsets.shape, data=offsets),
        ]
        options = self.schema.FullyConnectedOptionsT()
        options.keepNumDims = len(self.tensors[source].shape) > 2
        target = self.add(name, (*self.tensors[source].shape[:-1], len(weights)))
        return self._apply("FULLY_CONNECTED", inputs, target, options)

    def flatten(self, name: str, source: int) -> int:
        batch, *rest = self.tensors[source].shape
        shape = (batch, int(np.prod(rest)))
        wanted = self.add(f"{name} shape", (2,), "int32", np.array(shape, np.int32))
        return self._apply("RESHAPE", [source, wanted], self.add(name, shape), self.schema.ReshapeOptionsT())

    def write(self, inputs: list[int], outputs: list[int]) -> bytes:
        import flatbuffers

        graph = self.schema.SubGraphT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = self.tensors, self._operators, inputs, outputs
        model = self.schema.ModelT()
        model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, self._codes, [graph], self._buffers
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _apply(self, operation: str, inputs: list[int], target: int, options: Any) -> int:
        code = self.schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(self.schema.BuiltinOperator, operation)
        operator = self.schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = len(self._codes), inputs, [target]
        kind = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType, operator.builtinOptions = getattr(self.schema.BuiltinOptions, kind), options
        self._codes.append(code)
        self._operators.append(operator)
        return target

    def _type(self, dtype: str) -> int:
        return int(getattr(self.schema.TensorType, dtype.upper()))
