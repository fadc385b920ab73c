"""A model file is refused by its structure, and every export passes."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import helper

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.errors import PreflightError, UnsafeFileError
from cxr_edge.preflight.check import check_artifact
from cxr_edge.preflight.facts import ArtifactFacts
from tests.support import models
from tests.support.trees import change_onnx, change_tflite

Change = Callable[[Any], Any]


def graph(model: Any) -> Any:
    return model.subgraphs[0]


def tensor(model: Any, name: str) -> Any:
    return next(item for item in graph(model).tensors if item.name == name.encode())


def operator(model: Any, number: int) -> Any:
    codes = [code.builtinCode for code in model.operatorCodes]
    return next(item for item in graph(model).operators if codes[item.opcodeIndex] == number)


def refusal(content: bytes, format: str) -> str:
    with pytest.raises(PreflightError) as caught:
        check_artifact(content, format, f"model.{format}")
    return str(caught.value)


@pytest.mark.parametrize(("format", "make"), [("tflite", models.tflite), ("onnx", models.onnx)])
def test_a_sound_file_gives_its_facts(format: str, make: Callable[[], bytes]) -> None:
    content = make()
    facts = check_artifact(content, format, "model")

    assert (facts.format, facts.size_bytes) == (format, len(content))
    assert [(item.name, item.dtype, item.shape[1:]) for item in facts.inputs] == [("image", "uint8", (224, 224, 3))]
    assert [item.name for item in facts.outputs] == list(models.OUTPUTS)
    assert sum(facts.operators.values()) > 5


def test_the_shipped_artifact_passes() -> None:
    bundle = Bundle.read(default_bundle_path())
    facts = check_artifact(bundle.artifact_bytes(bundle.artifact("int8")), "tflite", "model_int8.tflite")

    assert facts.operators["CONV_2D"] == 36


TFLITE: dict[str, tuple[Change, str]] = {
    "an input beyond the tensors": (lambda m: graph(m).inputs.__setitem__(0, 99), "names tensor 99"),
    "an output beyond the tensors": (lambda m: graph(m).outputs.__setitem__(0, -7), "names tensor -7"),
    "an operator's input beyond": (lambda m: graph(m).operators[0].inputs.__setitem__(0, 500), "names tensor 500"),
    "an operator of no kind": (lambda m: setattr(graph(m).operators[0], "opcodeIndex", 77), "is of kind 77"),
    "a buffer beyond": (lambda m: setattr(tensor(m, "mean"), "buffer", 1000), "names buffer 1000"),
    "a constant cut short": (lambda m: setattr(m.buffers[2], "data", m.buffers[2].data[:-1]), "bytes, not"),
    "a huge shape": (lambda m: setattr(tensor(m, "pixels"), "shape", [1, 2**30, 4, 4]), "MiB"),
    "a negative side": (lambda m: setattr(tensor(m, "pixels"), "shape", [1, -1, 224, 3]), "has the shape"),
    "a tensor of strings": (lambda m: setattr(tensor(m, "mean"), "type", schema.TensorType.STRING), "has a type"),
    "a variable": (lambda m: setattr(tensor(m, "mean"), "isVariable", True), "its tensor has a field 5"),
    "use before definition": (lambda m: graph(m).operators.reverse(), "before it is made"),
    "a loop": (lambda m: graph(m).operators[0].outputs.__setitem__(0, graph(m).inputs[0]), "made elsewhere"),
    "control flow": (
        lambda m: setattr(m.operatorCodes[0], "builtinCode", schema.BuiltinOperator.WHILE),
        "operator number 119",
    ),
    "custom code": (lambda m: setattr(m.operatorCodes[0], "customCode", b"Evil"), "operator number"),
    "two graphs": (lambda m: m.subgraphs.append(m.subgraphs[0]), "2 entries where 1"),
    "no graph": (lambda m: m.subgraphs.clear(), "no graph"),
    "a stride of 0": (lambda m: setattr(operator(m, 1).builtinOptions, "strideH", 0), "option 2 of 0"),
    "axes that are not there": (lambda m: setattr(m.buffers[4], "data", np.array([9, 0] * 4, "u1")), "axes"),
    "another output shape": (lambda m: setattr(tensor(m, "mean"), "shape", [1, 4]), "where its inputs make (1, 3)"),
    "a scale of nothing": (
        lambda m: setattr(
            tensor(m, "mean"), "quantization", quantization(scale=[float("nan")], zeroPoint=[0], quantizedDimension=0)
        ),
        "no positive number",
    ),
    "scales for an axis beyond": (
        lambda m: setattr(
            tensor(m, "mean"), "quantization", quantization(scale=[1.0], zeroPoint=[0], quantizedDimension=9)
        ),
        "for axis 9",
    ),
    "options of another operator": (
        lambda m: setattr(operator(m, 1), "builtinOptionsType", schema.BuiltinOptions.CastOptions),
        "options of another operator",
    ),
}


def quantization(**values: Any) -> Any:
    made = schema.QuantizationParametersT()
    for name, value in values.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("what", TFLITE)
def test_a_tflite_is_refused_for(what: str) -> None:
    change, fact = TFLITE[what]

    assert fact in refusal(change_tflite(models.tflite(), change), "tflite")


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "lacks the TFL3 mark"),
        (b"these are notes", "lacks the TFL3 mark"),
        (b"\x18\0\0\0TFL3", "outside the file"),
        (b"\xff\xff\xff\x7fTFL3", "outside the file"),
        (models.tflite()[:-100], "end"),
        (struct.pack("<I", 8) + b"TFL3" + struct.pack("<iHH", -4, 3, 1), "impossible size"),
    ],
)
def test_bytes_that_are_no_flatbuffer_are_refused(content: bytes, fact: str) -> None:
    assert fact in refusal(content, "tflite")


def node(*, kind: str = "Relu", domain: str = "", **attributes: Any) -> Any:
    return helper.make_node(kind, ["mean"], ["more"], domain=domain, **attributes)


def loop() -> Any:
    body = helper.make_graph([], "body", [], [])
    return helper.make_node("Loop", ["", "", "mean"], ["more"], body=body)


def outside(model: Any) -> None:
    stored = model.graph.initializer[0]
    stored.data_location = onnx.TensorProto.EXTERNAL
    entry = stored.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    stored.ClearField("raw_data")


def outside_attribute(model: Any) -> None:
    value = onnx.TensorProto(data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    model.graph.node.append(helper.make_node("Constant", [], ["more"], value=value))


ONNX: dict[str, tuple[Change, str]] = {
    "a constant in another file": (outside, "field 13"),
    "a constant said to be elsewhere": (
        lambda m: setattr(m.graph.initializer[0], "data_location", 1),
        "lies in another file",
    ),
    "an attribute in another file": (outside_attribute, "Constant, which no export uses"),
    "a loop": (lambda m: m.graph.node.append(loop()), "Loop, which no export uses"),
    "a custom operator": (lambda m: m.graph.node.append(node(domain="evil")), "evil.Relu"),
    "custom operators imported": (lambda m: m.opset_import.add(domain="evil", version=1), "'evil'"),
    "no opset": (lambda m: m.opset_import.pop(), "not stated"),
    "an opset of the future": (lambda m: setattr(m.opset_import[0], "version", 99), "opset is 99"),
    "another IR": (lambda m: setattr(m, "ir_version", 3), "IR version is 3"),
    "a function": (lambda m: m.functions.add(), "field 25"),
    "a training graph": (lambda m: m.training_info.add(), "field 20"),
    "a sparse constant": (lambda m: m.graph.sparse_initializer.add(), "field 15"),
    "a constant cut short": (
        lambda m: setattr(m.graph.initializer[0], "raw_data", m.graph.initializer[0].raw_data[:-1]),
        "values or bytes, not",
    ),
    "a constant of strings": (lambda m: setattr(m.graph.initializer[0], "data_type", 8), "is of type 8"),
    "a constant of a huge shape": (lambda m: m.graph.initializer[0].dims.extend([2**40]), "has the shape"),
    "two constants of one name": (lambda m: m.graph.initializer.append(m.graph.initializer[0]), "two constants"),
    "use before definition": (lambda m: m.graph.node.insert(0, m.graph.node[-1]), "before it is made"),
    "a value made twice": (lambda m: m.graph.node.append(m.graph.node[0]), "made elsewhere"),
    "an output that nothing makes": (lambda m: setattr(m.graph.output[0], "name", "ghost"), "made by no node"),
    "an output twice": (lambda m: m.graph.output.append(m.graph.output[0]), "two outputs of one name"),
    "a type without a tensor": (lambda m: m.graph.input[0].type.Clear(), "has a type"),
}


@pytest.mark.parametrize("what", ONNX)
def test_an_onnx_is_refused_for(what: str) -> None:
    change, fact = ONNX[what]

    assert fact in refusal(change_onnx(models.onnx(), change), "onnx")


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "IR version is 0"),
        (b"these are notes", "of a kind that is not taken"),
        (b"\x08\x07\x3a\xff\xff\xff\xff\x0f", "reaches beyond its end"),
        (b"\x08" + b"\xff" * 11, "cut off or too long"),
        (models.onnx() + b"\x3a\x00", "field 7 twice"),
        (models.onnx()[:4] + b"ORTM" + models.onnx()[8:], "an ORT file"),
    ],
)
def test_bytes_that_are_no_onnx_are_refused(content: bytes, fact: str) -> None:
    assert fact in refusal(content, "onnx")


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("tflite", models.tflite(shape=(1, 64, 64, 3), outputs=("probabilities",))),
        ("tflite", models.tflite(dtype="int8")),
        ("onnx", models.onnx(name="film")),
        ("onnx", models.onnx(shape=("n", 64, 64, 3))),
    ],
)
def test_another_input_is_refused(format: str, content: bytes) -> None:
    assert "the input contract is image (1, 224, 224, 3) uint8" in refusal(content, format)


@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_another_output_is_refused(format: str) -> None:
    make = models.tflite if format == "tflite" else models.onnx

    assert "has no output 'probabilities'" in refusal(make(outputs=("heatmap",)), format)


def test_a_format_that_is_not_known_is_refused() -> None:
    with pytest.raises(UnsafeFileError, match="'pickle' are not opened"):
        check_artifact(b"", "pickle", "model.pickle")


def test_the_check_needs_no_library_of_its_own() -> None:
    code = (
        "import sys\nfor name in ('flatbuffers', 'onnx', 'onnxruntime', 'ai_edge_litert', 'google.protobuf'):\n"
        "    sys.modules[name] = None\n"
        "from cxr_edge.preflight.check import check_artifact\n"
        "print(check_artifact(open(sys.argv[1], 'rb').read(), 'tflite', 'model').format)\n"
    )
    shipped = default_bundle_path() / "model_int8.tflite"
    done = subprocess.run([sys.executable, "-c", code, str(shipped)], capture_output=True, text=True, check=True)

    assert done.stdout == "tflite\n"


def test_facts_are_a_frozen_record() -> None:
    facts = check_artifact(models.tflite(), "tflite", "model")

    assert isinstance(facts, ArtifactFacts)
    with pytest.raises(AttributeError):
        facts.format = "onnx"  # type: ignore[misc]
