"""What a model file says of itself: TFLite Metadata, as MediaPipe reads it, and ONNX's metadata_props.

TFLite Metadata is a flatbuffer of its own in a buffer of the model, and the files it speaks of are a zip behind the
model's end.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from cxr_edge.bundles.manifest import Manifest
from cxr_edge.contract import HEATMAP_SHAPE, KERAS_NAME, OUTPUT_SIZES, TYPICALITY_NAME, InputContract
from cxr_edge.errors import BundleError, ExportError
from cxr_edge.export.convert import flatbuffer
from cxr_edge.export.convert import metadata_tables as tables
from cxr_edge.export.convert.metadata_tables import Table, pack
from cxr_edge.export.recipes import Recipe
from cxr_edge.system.about import RESEARCH_ONLY, __version__

__all__ = ["FACTS_NAME", "LABELS_NAME", "Facts", "attach_onnx", "attach_tflite"]

LABELS_NAME = "labels.txt"
FACTS_NAME = "facts.json"

_METADATA_NAME = b"TFLITE_METADATA"


@dataclass(frozen=True)
class _AxisLabels:
    """The names along an output, and the file beside the model that lists them."""

    file_name: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What the manifest says that a model file should say without it.

    `version` is that of the cxr-edge which exports, `source_sha256` the hash of the model.keras it exports, `outputs`
    the names in the file's order. `licence` is what the manifest's provenance states.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    positive: str
    threshold: float
    typicality_limit: float | None
    outputs: tuple[str, ...]
    contract: InputContract
    research_only: str
    licence: str
    source_sha256: str
    recipe: str

    @classmethod
    def of(cls, manifest: Manifest, recipe: Recipe) -> Facts:
        """Return the facts for an artifact of `recipe`. Raises BundleError for a manifest without model.keras."""
        if KERAS_NAME not in manifest.artifacts:
            raise BundleError(f"{manifest.name}: has no {KERAS_NAME}, which exports are made from; train it again")
        left_out = () if TYPICALITY_NAME in manifest.files else ("typicality",)
        return cls(
            name=manifest.name,
            version=__version__,
            labels=manifest.labels,
            positive=manifest.positive,
            threshold=manifest.threshold,
            typicality_limit=None if left_out else manifest.typicality_limit,
            outputs=tuple(output for output in OUTPUT_SIZES if output not in left_out),
            contract=manifest.contract,
            research_only=RESEARCH_ONLY,
            licence=str(manifest.provenance.get("licence", "not stated")),
            source_sha256=manifest.artifacts[KERAS_NAME].sha256,
            recipe=recipe.name,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the facts as a JSON object, without the typicality limit where there is none."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def attach_tflite(content: bytes, facts: Facts) -> bytes:
    """Return the .tflite file with its metadata inside, and the labels and facts as a zip behind it.

    Metadata that is there already is replaced, so the same facts give the same bytes. The graph stays as it is, laid
    out so that readers other than LiteRT take it too. Raises ExportError when the outputs are not those of the facts.
    """
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    _check_outputs([graph.tensors[int(index)].name.decode() for index in graph.outputs], facts)
    entry = next((entry for entry in model.metadata or [] if entry.name == _METADATA_NAME), None)
    if entry is None:
        entry = schema.MetadataT(_METADATA_NAME, len(model.buffers))
        model.metadata = [*(model.metadata or []), entry]
        model.buffers.append(flatbuffer.Buffer())
    labels = _list_labels(facts)
    model.buffers[entry.buffer].data = np.frombuffer(pack(_describe_model(facts, labels)), np.uint8)
    texts = {own.file_name: "\n".join(own.names) + "\n" for own in labels.values()}
    texts[FACTS_NAME] = json.dumps(facts.to_json(), indent=2, ensure_ascii=False) + "\n"
    return _append_files(flatbuffer.write(model), texts)


def attach_onnx(content: bytes, facts: Facts) -> bytes:
    """Return the .onnx file with the facts in metadata_props: texts as they are, all else as JSON.

    The same facts give the same bytes. Raises ExportError when the outputs are not those of the facts.
    """
    import onnx

    model = onnx.load_model_from_string(content)
    _check_outputs([output.name for output in model.graph.output], facts)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    for name, value in facts.to_json().items():
        properties[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    onnx.helper.set_model_props(model, dict(sorted(properties.items())))
    return bytes(model.SerializeToString(deterministic=True))


def _check_outputs(found: Sequence[str], facts: Facts) -> None:
    if tuple(found) != facts.outputs:
        raise ExportError(
            f"{facts.recipe}: the converted model has the outputs {', '.join(found)}, the contract is "
            f"{', '.join(facts.outputs)}; report this"
        )


def _list_labels(facts: Facts) -> dict[str, _AxisLabels]:
    """Return the names along each output.

    All have one, for MediaPipe refuses a list of wanted categories as soon as one head is without names.
    """
    if any(len(label.splitlines()) != 1 for label in facts.labels):
        raise ExportError(f"{facts.name}: a label is empty or has more than one line; rename it and train again")
    rows, columns = HEATMAP_SHAPE
    cells = tuple(f"row {row + 1} column {column + 1}" for row in range(rows) for column in range(columns))
    known = {
        "probabilities": _AxisLabels(LABELS_NAME, facts.labels),
        "heatmap": _AxisLabels("heatmap.txt", cells),
        "typicality": _AxisLabels("typicality.txt", ("typicality",)),
    }
    return {output: known[output] for output in facts.outputs}


def _describe_model(facts: Facts, labels: Mapping[str, _AxisLabels]) -> Table:
    outputs = tuple(_describe_output(facts, output, labels[output].file_name) for output in facts.outputs)
    graph = Table(
        "SubGraphMetadata",
        name=facts.name,
        input_tensor_metadata=(_describe_input(facts.contract),),
        output_tensor_metadata=outputs,
    )
    return Table(
        "ModelMetadata",
        name=facts.name,
        description=f"Tells {' from '.join(facts.labels)} on frontal chest X-rays ({facts.recipe}). {RESEARCH_ONLY}",
        version=facts.version,
        subgraph_metadata=(graph,),
        author="cxr-edge",
        license=facts.licence,
        associated_files=(_describe_file(FACTS_NAME, "What the manifest says of this model.", tables.DESCRIPTIONS),),
        min_parser_version=tables.PARSER_VERSION,
    )


def _describe_input(contract: InputContract) -> Table:
    size = Table("ImageSize", width=np.uint32(contract.width), height=np.uint32(contract.height))
    image = Table("ImageProperties", color_space=tables.RGB, default_size=size)
    # Pixels go in as they are; all scaling is inside the graph.
    plain = Table("NormalizationOptions", mean=_floats(0.0), std=_floats(1.0))
    return Table(
        "TensorMetadata",
        name=contract.name,
        description=f"The whole film, upright, as {contract.color} pixels from 0 to 255: {contract.resize}ed to "
        f"{contract.width} x {contract.height} with an antialiased {contract.filter} filter, never cropped.",
        content=Table("Content", content_properties_type=tables.IMAGE_PROPERTIES, content_properties=image),
        process_units=(Table("ProcessUnit", options_type=tables.NORMALIZATION_OPTIONS, options=plain),),
        stats=Table("Stats", max=_floats(255.0), min=_floats(0.0)),
    )


def _describe_output(facts: Facts, output: str, file_name: str) -> Table:
    rows, columns = HEATMAP_SHAPE
    limit = "" if facts.typicality_limit is None else f" Above {facts.typicality_limit:.6g} the film is unlike them."
    descriptions = {
        "probabilities": f"Probability of each label. '{facts.positive}' is called from {facts.threshold:.6g} on.",
        "heatmap": f"What spoke for the likelier label, {rows} x {columns} cells by rows, from 0 to 1.",
        "typicality": f"How far the film lies from the training films, which have about 1.{limit}",
    }
    least = {"min": _floats(0.0)}
    return Table(
        "TensorMetadata",
        name=output,
        description=descriptions[output],
        content=Table(
            "Content", content_properties_type=tables.FEATURE_PROPERTIES, content_properties=Table("FeatureProperties")
        ),
        stats=Table("Stats", **least if output == "typicality" else least | {"max": _floats(1.0)}),
        associated_files=(_describe_file(file_name, f"The names along '{output}'.", tables.TENSOR_AXIS_LABELS),),
    )


def _describe_file(name: str, description: str, kind: np.uint8) -> Table:
    return Table("AssociatedFile", name=name, description=description, type=kind)


def _floats(*values: float) -> Any:
    return np.array(values, np.float32)


def _append_files(content: bytes, texts: Mapping[str, str]) -> bytes:
    """Return `content` with a zip behind it that names places from the start of the whole, uncompressed and undated."""
    stream = io.BytesIO()
    stream.write(content)
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in texts.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text)
    return stream.getvalue()
