"""What a model file says of itself, read back by a reader of flatbuffers that shares no code with the writer."""

from __future__ import annotations

import dataclasses
import io
import json
import struct
import zipfile
from typing import Any

import numpy as np
import onnx
import pytest

from cxr_edge.bundles.manifest import Artifact, Manifest
from cxr_edge.contract import InputContract
from cxr_edge.errors import BundleError, ExportError
from cxr_edge.export.convert import flatbuffer
from cxr_edge.export.convert.metadata import Facts, attach_onnx, attach_tflite
from cxr_edge.export.recipes import RECIPES
from cxr_edge.runtimes.registry import open_content
from cxr_edge.system.about import RESEARCH_ONLY, __version__
from tests.support import models

DIGEST = "0123456789abcdef" * 4
MANIFEST = Manifest(
    name="brightness",
    architecture="mean of the pixels",
    labels=("covid", "noncovid"),
    positive="covid",
    threshold=0.4123,
    contract=InputContract(),
    artifacts={"model.keras": Artifact("model.keras", "keras", "none", DIGEST, 9, ("probabilities",))},
    typicality_limit=200.0,
    files={"typicality.npz": DIGEST},
    provenance={"licence": "Apache-2.0"},
)
FACTS = Facts.of(MANIFEST, RECIPES["float32"])
OUTPUTS = ("probabilities", "heatmap", "typicality")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of a flatbuffer, whose fields are asked for by number."""

    data: bytes
    place: int

    @classmethod
    def root(cls, data: bytes) -> Table:
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def find(self, number: int) -> int | None:
        vtable = self.place - struct.unpack_from("<i", self.data, self.place)[0]
        if 4 + 2 * number >= struct.unpack_from("<H", self.data, vtable)[0]:
            return None
        step = struct.unpack_from("<H", self.data, vtable + 4 + 2 * number)[0]
        return self.place + step if step else None

    def number(self, number: int, form: str) -> Any:
        place = self.find(number)
        return 0 if place is None else struct.unpack_from(f"<{form}", self.data, place)[0]

    def follow(self, number: int) -> int:
        place = self.find(number)
        assert place is not None, f"field {number} is not there"
        return place + int(struct.unpack_from("<I", self.data, place)[0])

    def table(self, number: int) -> Table:
        return Table(self.data, self.follow(number))

    def vector(self, number: int, form: str) -> list[Any]:
        place = self.follow(number)
        return list(struct.unpack_from(f"<{struct.unpack_from('<I', self.data, place)[0]}{form}", self.data, place + 4))

    def text(self, number: int) -> str:
        return bytes(self.vector(number, "B")).decode()

    def tables(self, number: int) -> list[Table]:
        start = self.follow(number) + 4
        return [Table(self.data, start + 4 * index + step) for index, step in enumerate(self.vector(number, "I"))]


def read_metadata(content: bytes) -> Table:
    model = flatbuffer.read(content)
    places = [entry.buffer for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
    assert len(places) == 1
    data = bytes(model.buffers[places[0]].data)
    assert data[4:8] == b"M001"
    return Table.root(data)


def read_files(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.fixture(scope="module")
def tagged() -> bytes:
    return attach_tflite(models.tflite(), FACTS)


@pytest.fixture(scope="module")
def graph(tagged: bytes) -> Table:
    return read_metadata(tagged).tables(3)[0]


@pytest.fixture(scope="module")
def films() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)


def test_facts_are_those_of_the_manifest() -> None:
    facts = Facts.of(MANIFEST, RECIPES["float32"])
    assert facts == Facts(
        name="brightness",
        version=__version__,
        labels=("covid", "noncovid"),
        positive="covid",
        threshold=0.4123,
        typicality_limit=200.0,
        outputs=OUTPUTS,
        contract=InputContract(),
        research_only=RESEARCH_ONLY,
        licence="Apache-2.0",
        source_sha256=DIGEST,
        recipe="float32",
    )


def test_facts_do_not_make_up_a_licence() -> None:
    manifest = dataclasses.replace(MANIFEST, provenance={})
    assert Facts.of(manifest, RECIPES["int8"]).licence == "not stated"


def test_facts_need_the_keras_model() -> None:
    with pytest.raises(BundleError, match=r"brightness: has no model\.keras"):
        Facts.of(dataclasses.replace(MANIFEST, artifacts={}), RECIPES["int8"])


def test_tflite_metadata_describes_the_model(tagged: bytes) -> None:
    model = read_metadata(tagged)
    assert (model.text(0), model.text(2)) == ("brightness", __version__)
    assert RESEARCH_ONLY in model.text(1)
    assert (model.text(4), model.text(5), model.text(7)) == ("cxr-edge", "Apache-2.0", "1.0.0")
    assert [file.text(0) for file in model.tables(6)] == ["facts.json"]


def test_tflite_metadata_describes_the_input_as_plain_rgb_pixels(graph: Table) -> None:
    (image,) = graph.tables(2)
    assert image.text(0) == "image"
    assert "RGB" in image.text(1)
    assert image.table(3).number(0, "B") == 2
    properties = image.table(3).table(1)
    assert properties.number(0, "B") == 1
    assert [properties.table(1).number(number, "I") for number in (0, 1)] == [224, 224]
    (unit,) = image.tables(4)
    assert unit.number(0, "B") == 1
    assert [unit.table(1).vector(number, "f") for number in (0, 1)] == [[0.0], [1.0]]
    assert [image.table(5).vector(number, "f") for number in (0, 1)] == [[255.0], [0.0]]


def test_tflite_metadata_describes_every_output_in_the_order_of_the_file(tagged: bytes, graph: Table) -> None:
    files = read_files(tagged)
    widths = {}
    for output in graph.tables(3):
        (labels,) = output.tables(6)
        assert labels.number(2, "b") == 2
        assert output.table(3).number(0, "B") == 1
        widths[output.text(0)] = len(files[labels.text(0)].splitlines())
    assert list(widths.items()) == [("probabilities", 2), ("heatmap", 49), ("typicality", 1)]


def test_tflite_metadata_says_from_where_on_a_film_is_called(graph: Table) -> None:
    probabilities, _, typicality = graph.tables(3)
    assert "'covid' is called from 0.4123 on" in probabilities.text(1)
    assert "Above 200 the film" in typicality.text(1)


def test_tflite_carries_labels_and_facts_as_a_zip(tagged: bytes) -> None:
    files = read_files(tagged)
    assert files["labels.txt"] == "covid\nnoncovid\n"
    assert json.loads(files["facts.json"]) == json.loads(json.dumps(dataclasses.asdict(FACTS)))


def test_tflite_metadata_is_the_same_bytes_every_time(tagged: bytes) -> None:
    assert attach_tflite(models.tflite(), FACTS) == tagged


def test_tflite_metadata_that_is_there_is_replaced(tagged: bytes) -> None:
    assert attach_tflite(tagged, FACTS) == tagged
    other = dataclasses.replace(FACTS, labels=("normal", "pneumonia"), positive="pneumonia")
    again = attach_tflite(tagged, other)
    assert read_files(again)["labels.txt"] == "normal\npneumonia\n"
    assert again == attach_tflite(models.tflite(), other)


def test_litert_gives_the_same_answers_with_metadata(tagged: bytes, films: np.ndarray) -> None:
    answers = open_content(tagged, "tflite").run(films)
    for name, values in open_content(models.tflite(), "tflite").run(films).items():
        assert np.array_equal(answers[name], values)


def test_tflite_of_a_bundle_without_typicality_has_two_outputs() -> None:
    facts = Facts.of(dataclasses.replace(MANIFEST, files={}), RECIPES["float32"])
    content = attach_tflite(models.tflite(outputs=OUTPUTS[:2]), facts)
    assert [output.text(0) for output in read_metadata(content).tables(3)[0].tables(3)] == list(OUTPUTS[:2])
    assert "typicality_limit" not in json.loads(read_files(content)["facts.json"])


def test_weights_behind_the_flatbuffer_move_into_it(films: np.ndarray) -> None:
    content = _move_weights_out(models.tflite())
    tagged = attach_tflite(content, FACTS)
    assert all(buffer.offset == 0 for buffer in flatbuffer.read(tagged).buffers)
    answers = open_content(tagged, "tflite").run(films)
    for name, values in models.expected(films).items():
        assert np.allclose(answers[name], values, rtol=1e-5, atol=1e-5)


def test_operation_codes_stand_where_old_readers_look() -> None:
    model = flatbuffer.read(models.tflite())
    for code in model.operatorCodes:
        code.deprecatedBuiltinCode = 0
    codes = flatbuffer.read(attach_tflite(flatbuffer.write(model), FACTS)).operatorCodes
    assert all(code.deprecatedBuiltinCode == code.builtinCode for code in codes)


def test_buffers_are_aligned_as_the_schema_asks(tagged: bytes) -> None:
    model = Table.root(tagged)
    starts = [buffer.follow(0) + 4 for buffer in model.tables(4) if buffer.find(0) is not None]
    assert starts
    assert all(start % 16 == 0 for start in starts)


def test_onnx_says_the_same_facts() -> None:
    model = onnx.load_model_from_string(attach_onnx(models.onnx(), FACTS))
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["research_only"] == RESEARCH_ONLY
    assert properties["source_sha256"] == DIGEST
    texts = ("name", "version", "positive", "research_only", "licence", "source_sha256", "recipe")
    read = {key: value if key in texts else json.loads(value) for key, value in properties.items()}
    assert read == json.loads(json.dumps(FACTS.to_json()))


def test_onnx_metadata_is_the_same_bytes_every_time() -> None:
    first = attach_onnx(models.onnx(), FACTS)
    assert attach_onnx(models.onnx(), FACTS) == first
    assert attach_onnx(first, FACTS) == first


def test_onnx_keeps_what_other_tools_have_noted() -> None:
    model = onnx.load_model_from_string(models.onnx())
    onnx.helper.set_model_props(model, {"onnx.infer": "onnxruntime.quant"})
    tagged = onnx.load_model_from_string(attach_onnx(model.SerializeToString(), FACTS))
    assert {entry.key: entry.value for entry in tagged.metadata_props}["onnx.infer"] == "onnxruntime.quant"


def test_onnx_runtime_gives_the_same_answers_with_metadata(films: np.ndarray) -> None:
    answers = open_content(attach_onnx(models.onnx(), FACTS), "onnx").run(films)
    for name, values in open_content(models.onnx(), "onnx").run(films).items():
        assert np.array_equal(answers[name], values)


def test_outputs_that_are_not_the_contract_are_refused() -> None:
    swapped = ("heatmap", "probabilities", "typicality")
    message = r"float32: the converted model has the outputs heatmap, probabilities, typicality, the contract is prob"
    with pytest.raises(ExportError, match=message):
        attach_tflite(models.tflite(outputs=swapped), FACTS)
    with pytest.raises(ExportError, match=message):
        attach_onnx(models.onnx(outputs=swapped), FACTS)


@pytest.mark.parametrize("label", ["two\nlines", ""])
def test_a_label_that_is_no_line_is_refused(label: str) -> None:
    with pytest.raises(ExportError, match="a label is empty or has more than one line"):
        attach_tflite(models.tflite(), dataclasses.replace(FACTS, labels=("covid", label)))


def _move_weights_out(content: bytes) -> bytes:
    """Lay the buffers behind the flatbuffer, 16 bytes apart, as litert-quantizer does."""
    model = flatbuffer.read(content)
    outside = bytearray()
    start = 1 << 16
    for buffer in model.buffers:
        if buffer.data is not None and len(buffer.data):
            buffer.offset, buffer.size = start + len(outside), len(buffer.data)
            outside += bytes(buffer.data) + bytes(-len(buffer.data) % 16)
            buffer.data = None
    inside = flatbuffer.write(model)
    assert outside
    assert len(inside) <= start
    return inside.ljust(start, b"\0") + bytes(outside)
