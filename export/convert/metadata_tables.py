"""The tables of TFLite Metadata (metadata_schema.fbs, version 1.0.0) that export writes, and how they are packed.

A flatbuffer knows fields by number; the numbers stand here as the order of the names, so that export needs the
package flatbuffers alone.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np

__all__ = [
    "DESCRIPTIONS",
    "FEATURE_PROPERTIES",
    "IMAGE_PROPERTIES",
    "NORMALIZATION_OPTIONS",
    "PARSER_VERSION",
    "RGB",
    "TENSOR_AXIS_LABELS",
    "Table",
    "pack",
]

PARSER_VERSION = "1.0.0"
"""The oldest reader that knows every field written here."""

# Members of the schema's enumerations AssociatedFileType, ContentProperties, ProcessUnitOptions and ColorSpaceType.
DESCRIPTIONS, TENSOR_AXIS_LABELS = np.uint8(1), np.uint8(2)
FEATURE_PROPERTIES, IMAGE_PROPERTIES = np.uint8(1), np.uint8(2)
NORMALIZATION_OPTIONS = np.uint8(1)
RGB = np.uint8(1)

_IDENTIFIER = b"M001"
_FIELDS = {
    "ModelMetadata": (
        "name",
        "description",
        "version",
        "subgraph_metadata",
        "author",
        "license",
        "associated_files",
        "min_parser_version",
    ),
    "SubGraphMetadata": ("name", "description", "input_tensor_metadata", "output_tensor_metadata"),
    "TensorMetadata": (
        "name",
        "description",
        "dimension_names",
        "content",
        "process_units",
        "stats",
        "associated_files",
    ),
    "AssociatedFile": ("name", "description", "type"),
    # A union takes two fields: its kind, and the table.
    "Content": ("content_properties_type", "content_properties"),
    "ProcessUnit": ("options_type", "options"),
    "FeatureProperties": (),
    "ImageProperties": ("color_space", "default_size"),
    "ImageSize": ("width", "height"),
    "NormalizationOptions": ("mean", "std"),
    "Stats": ("max", "min"),
}
"""The fields of each table in the order of their numbers, up to the last that is written."""


class Table(dict[str, Any]):
    """A table of the schema: its kind, and its fields by name.

    A field is a text, an array of numbers, a number (uint8 or uint32 of numpy), a table or a tuple of tables.
    """

    def __init__(self, kind: str, **fields: Any) -> None:
        super().__init__(fields)
        self.kind = kind


def pack(root: Table) -> bytes:
    """Return the flatbuffer of a table and all that it refers to."""
    builder = flatbuffers.Builder(4096)
    builder.Finish(_write(builder, root), _IDENTIFIER)
    return bytes(builder.Output())


def _write(builder: Any, value: Any) -> int:
    """Write a field that is not a number, what it refers to first, and return its place."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, tuple):
        places = [_write(builder, item) for item in value]
        builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            builder.PrependUOffsetTRelative(place)
        return int(builder.EndVector())
    names = _FIELDS[value.kind]
    written = {
        name: field if isinstance(field, np.integer) else _write(builder, field) for name, field in value.items()
    }
    builder.StartObject(len(names))
    for name, field in written.items():
        _put_field(builder, names.index(name), field)
    return int(builder.EndObject())


def _put_field(builder: Any, number: int, field: Any) -> None:
    if isinstance(field, np.uint8):
        builder.PrependUint8Slot(number, int(field), 0)
    elif isinstance(field, np.uint32):
        builder.PrependUint32Slot(number, int(field), 0)
    else:
        builder.PrependUOffsetTRelativeSlot(number, field, 0)
