"""The sound files that mutants are made of: models, films, a manifest and a .zip, small enough to make thousands."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from typing import Any

import numpy as np
from PIL import Image

from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.bundles.manifest import MANIFEST_NAME
from cxr_edge.system.files import sha256_bytes
from tests.support import models

__all__ = ["dicom", "jpeg", "manifest", "onnx_layers", "png", "shipped_tflite", "zip_archive"]

SIDE_PX = 64


@functools.cache
def shipped_tflite() -> bytes:
    """The int8 artifact that ships: 123 operators of 20 kinds."""
    bundle = Bundle.read(default_bundle_path())
    return bundle.artifact_bytes(bundle.artifact("int8"))


@functools.cache
def onnx_layers() -> bytes:
    """An .onnx with the layers that an export has: quantised convolution, padding, pooling, slicing, softmax."""
    from onnx import TensorProto, checker, helper, numpy_helper

    rng = np.random.default_rng(0)
    constants: dict[str, Any] = {
        "kernel": rng.integers(0, 255, (4, 3, 3, 3), dtype=np.uint8),
        "scale": np.full(4, 0.01, np.float32),
        "zero": np.full(4, 128, np.uint8),
        "step": np.array(0.02, np.float32),
        "middle": np.array(10, np.uint8),
        "narrow": rng.normal(size=(4, 1, 3, 3)).astype(np.float32),
        "bias": np.zeros(4, np.float32),
        "margins": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "low": np.array(0, np.float32),
        "high": np.array(6, np.float32),
        "dense": rng.normal(size=(4, 2)).astype(np.float32),
        "one": np.array([1], np.int64),
        "none": np.array([0], np.int64),
        "axes": np.array([2, 3], np.int64),
        "row": np.array([0, 49], np.int64),
        "255": np.array(255, np.float32),
    }
    make = helper.make_node
    nodes = [
        make("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        make("Div", ["pixels", "255"], ["unit"]),
        make("Transpose", ["unit"], ["planes"], perm=[0, 3, 1, 2]),
        make("QuantizeLinear", ["planes", "step", "middle"], ["levels"]),
        make("DequantizeLinear", ["levels", "step", "middle"], ["near"]),
        make("DequantizeLinear", ["kernel", "scale", "zero"], ["weights"], axis=0),
        make("Conv", ["near", "weights"], ["first"], strides=[8, 8], pads=[1, 1, 1, 1], group=1, dilations=[1, 1]),
        make("Clip", ["first", "low", "high"], ["bounded"]),
        make("Pad", ["bounded", "margins"], ["padded"], mode="constant"),
        make("Conv", ["padded", "narrow", "bias"], ["second"], strides=[4, 4], group=4, kernel_shape=[3, 3]),
        make("Add", ["second", "second"], ["doubled"]),
        make("GlobalAveragePool", ["doubled"], ["pooled"]),
        make("Squeeze", ["pooled", "axes"], ["features"]),
        make("MatMul", ["features", "dense"], ["logits"]),
        make("Softmax", ["logits"], ["probabilities"], axis=1),
        make("Slice", ["doubled", "none", "one", "one"], ["channel"]),
        make("Reshape", ["channel", "row"], ["heatmap"]),
        make("ReduceMax", ["features"], ["typicality"], axes=[1], keepdims=1),
    ]
    shapes = {"probabilities": 2, "heatmap": 49, "typicality": 1}
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 224, 224, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]) for name, width in shapes.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def _picture(kind: str, mode: str, **options: Any) -> bytes:
    ramp = np.linspace(0, 255, SIDE_PX * SIDE_PX).reshape(SIDE_PX, SIDE_PX).astype(np.uint8)
    held = io.BytesIO()
    Image.fromarray(ramp).convert(mode).save(held, kind, **options)
    return held.getvalue()


@functools.cache
def png() -> tuple[bytes, ...]:
    """Grey, colour, palette and 16-bit PNGs."""
    deep = io.BytesIO()
    Image.fromarray(np.arange(SIDE_PX * SIDE_PX, dtype=np.uint16).reshape(SIDE_PX, SIDE_PX)).save(deep, "PNG")
    return (_picture("PNG", "L"), _picture("PNG", "RGBA"), _picture("PNG", "P"), deep.getvalue())


@functools.cache
def jpeg() -> tuple[bytes, ...]:
    """Grey, colour, CMYK and progressive JPEGs, one with EXIF data."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return (
        _picture("JPEG", "L"),
        _picture("JPEG", "RGB", exif=exif),
        _picture("JPEG", "CMYK"),
        _picture("JPEG", "RGB", progressive=True),
    )


@functools.cache
def dicom() -> tuple[bytes, ...]:
    """Plain, run-length encoded and JPEG DICOMs of 8 and 16 bits."""
    import pydicom
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit, RLELossless

    def make(bits: int) -> pydicom.Dataset:
        film = pydicom.Dataset()
        film.Modality, film.PhotometricInterpretation = "DX", "MONOCHROME2"
        film.Rows = film.Columns = SIDE_PX
        film.BitsAllocated = film.BitsStored = bits
        film.HighBit, film.PixelRepresentation, film.SamplesPerPixel = bits - 1, 0, 1
        film.WindowCenter, film.WindowWidth = "128", "256"
        film.RescaleSlope, film.RescaleIntercept = "1", "0"
        film.PixelData = np.arange(SIDE_PX * SIDE_PX, dtype=f"u{bits // 8}").tobytes()
        film.file_meta = pydicom.dataset.FileMetaDataset()
        film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
        film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3")
        film.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        return film

    def save(film: pydicom.Dataset) -> bytes:
        held = io.BytesIO()
        film.save_as(held, enforce_file_format=True)
        return held.getvalue()

    packed, encoded = make(8), make(8)
    packed.compress(RLELossless)
    encoded.PixelData = encapsulate([_picture("JPEG", "L")])
    encoded.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    encoded["PixelData"].VR = "OB"
    return (save(make(8)), save(make(16)), save(packed), save(encoded))


@functools.cache
def manifest() -> bytes:
    """The manifest that ships."""
    return (default_bundle_path() / MANIFEST_NAME).read_bytes()


@functools.cache
def zip_archive() -> bytes:
    """A bundle of one hand-made model in a .zip."""
    content = models.tflite()
    stated = json.loads(manifest())
    stated["artifacts"] = {
        "model_int8.tflite": stated["artifacts"]["model_int8.tflite"]
        | {"sha256": sha256_bytes(content), "size_bytes": len(content)}
    }
    stated["files"] = {}
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mine/model_int8.tflite", content)
        archive.writestr(f"mine/{MANIFEST_NAME}", json.dumps(stated))
    return held.getvalue()
