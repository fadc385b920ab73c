"""The decoder's promises on DICOM: the grey-scale pipeline, what is refused, and that no patient's tag gets out."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import traceback
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cxr_edge.errors import CxrEdgeError, ImageError, MissingExtraError, UnsafeFileError
from cxr_edge.imaging import decoder

pydicom = pytest.importorskip("pydicom", reason="the extra 'dicom' is not installed")

from pydicom import uid  # noqa: E402
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402

PATIENT = "Zebedee^Q"


def ramp() -> npt.NDArray[np.uint8]:
    """Every 8-bit value, of 240 x 256 pixels."""
    return np.repeat(np.arange(256, dtype=np.uint8)[np.newaxis], 240, axis=0)


def film(pixels: npt.NDArray[Any], **tags: Any) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = uid.ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.PatientName, dataset.PatientID = PATIENT, PATIENT
    dataset.Modality, dataset.PhotometricInterpretation = "CR", "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    return dataset


def to_bytes(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def decoded(pixels: npt.NDArray[Any], **tags: Any) -> npt.NDArray[np.uint8]:
    return np.asarray(decoder.decode(to_bytes(film(pixels, **tags))))


def compressed(syntax: uid.UID, codestream: bytes, pixels: npt.NDArray[Any], **tags: Any) -> bytes:
    dataset = film(pixels, **tags)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([codestream])
    dataset["PixelData"].is_undefined_length = True
    return to_bytes(dataset)


def encode(pixels: npt.NDArray[Any], kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def look_up_table(entries: list[int], first: int, bits: int) -> Dataset:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    table.add_new("LUTData", "US", entries)
    return table


def test_read_reports_a_dicom_film() -> None:
    result = decoder.read(to_bytes(film(ramp())))
    assert (result.width_px, result.height_px, result.format, result.warnings) == (256, 240, "DICOM", ())


def test_decode_shows_8_bit_values_as_they_are() -> None:
    shallow = 30 + ramp() // 2
    assert np.array_equal(decoded(shallow), shallow)


def test_decode_inverts_monochrome1() -> None:
    assert np.array_equal(decoded(ramp(), PhotometricInterpretation="MONOCHROME1"), 255 - ramp())


def test_decode_applies_the_first_linear_window() -> None:
    deep = ramp().astype(np.uint16) * 10
    shown = decoded(deep, BitsStored=12, HighBit=11, WindowCenter=[1275.5, 9], WindowWidth=[1001, 9])
    expected = np.rint(np.clip((deep - 1275.0) / 1000.0 + 0.5, 0, 1) * 255)
    assert np.array_equal(shown, expected)


def test_decode_applies_a_sigmoid_window() -> None:
    shown = decoded(ramp(), WindowCenter=100, WindowWidth=80, VOILUTFunction="SIGMOID")
    expected = 255 / (1 + np.exp(-4 * (ramp().astype(float) - 100) / 80))
    assert np.array_equal(shown, np.rint(expected))


def test_decode_applies_an_exact_linear_window() -> None:
    shown = decoded(ramp(), WindowCenter=100, WindowWidth=50, VOILUTFunction="LINEAR_EXACT")
    assert np.array_equal(shown, np.rint(np.clip((ramp() - 100.0) / 50 + 0.5, 0, 1) * 255))


def test_decode_windows_rescaled_values() -> None:
    shown = decoded(ramp(), RescaleSlope=2, RescaleIntercept=-100, WindowCenter=155.5, WindowWidth=511)
    assert np.array_equal(shown, ramp())


def test_decode_inverts_when_the_rescale_slope_is_negative() -> None:
    assert np.array_equal(decoded(ramp(), RescaleSlope=-1, RescaleIntercept=255), 255 - ramp())


def test_decode_shows_the_range_of_deep_values_without_a_window() -> None:
    deep = 1000 + ramp().astype(np.uint16) * 4
    assert np.array_equal(decoded(deep, BitsStored=14, HighBit=13), ramp())


def test_decode_shows_the_range_of_signed_values() -> None:
    assert np.array_equal(decoded(ramp().astype(np.int16) * 100 - 12000), ramp())


def test_decode_leaves_padding_out_of_the_range() -> None:
    deep = 1000 + ramp().astype(np.uint16) * 4
    deep[:20] = 60000
    assert np.array_equal(decoded(deep, PixelPaddingValue=60000)[20:], ramp()[20:])


def test_decode_ignores_bits_above_those_stored() -> None:
    deep = ramp().astype(np.uint16) * 16
    assert np.array_equal(decoded(deep | 0x8000, BitsStored=12, HighBit=11), ramp())


def test_decode_applies_a_voi_look_up_table() -> None:
    table = look_up_table([4095 - 16 * step for step in range(256)], 0, 12)
    assert np.abs(decoded(ramp(), VOILUTSequence=[table]).astype(int) - (255 - ramp())).max() <= 1


def test_decode_applies_a_modality_look_up_table_before_the_window() -> None:
    table = look_up_table([2 * step for step in range(200)], 10, 16)
    shown = decoded(ramp(), ModalityLUTSequence=[table], WindowCenter=200, WindowWidth=401)
    expected = np.clip(ramp().astype(float) - 10, 0, 199) * 2
    assert np.array_equal(shown, np.rint(np.clip((expected - 199.5) / 400 + 0.5, 0, 1) * 255))


def test_read_warns_when_a_window_is_invalid() -> None:
    result = decoder.read(to_bytes(film(ramp(), WindowCenter=100, WindowWidth=0)))
    assert result.warnings == ("invalid window ignored",)


def test_decode_keeps_rgb() -> None:
    colours = np.stack([ramp(), 255 - ramp(), ramp() // 2], axis=-1)
    assert np.array_equal(decoded(colours, PhotometricInterpretation="RGB"), colours)


def test_decode_converts_ybr_to_rgb() -> None:
    colours = np.stack([ramp(), 255 - ramp(), ramp() // 2], axis=-1)
    stored = np.asarray(Image.fromarray(colours).convert("YCbCr"))
    shown = decoded(stored, PhotometricInterpretation="YBR_FULL")
    assert np.abs(shown.astype(int) - colours).max() <= 3


def test_decode_reads_baseline_jpeg() -> None:
    content = compressed(uid.JPEGBaseline8Bit, encode(ramp(), "JPEG", quality=95), ramp())
    assert np.abs(np.asarray(decoder.decode(content)).astype(int) - ramp()).max() <= 3


def test_decode_reads_run_length_encoding() -> None:
    dataset = film(ramp())
    dataset.compress(uid.RLELossless)
    assert np.array_equal(np.asarray(decoder.decode(to_bytes(dataset))), ramp())


def test_decode_reads_jpeg_2000() -> None:
    pytest.importorskip("gdcm", reason="the extra 'dicom' is not installed")
    content = compressed(uid.JPEG2000Lossless, encode(ramp(), "JPEG2000", no_jp2=True), ramp())
    assert np.array_equal(np.asarray(decoder.decode(content)), ramp())


@pytest.mark.parametrize(
    ("tags", "warning"), [({"ViewPosition": "LL"}, "lateral view"), ({"Modality": ""}, "modality")]
)
def test_read_warns_of_what_the_tags_say(tags: dict[str, str], warning: str) -> None:
    (text,) = decoder.read(to_bytes(film(ramp(), **tags))).warnings
    assert text.startswith(warning)


@pytest.mark.parametrize(
    ("tags", "fact"),
    [
        ({"Modality": "CT"}, "wrong modality CT, not a projection X-ray"),
        ({"Modality": "MG"}, "wrong modality MG"),
        ({"NumberOfFrames": 3}, "holds 3 frames, not one film"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "this kind of pixel is not read"),
        ({"BitsAllocated": 32}, "this kind of pixel is not read"),
        ({"Rows": 999}, "damaged, cut short or against the standard"),
        ({"RescaleSlope": "1e308", "RescaleIntercept": "1e308"}, "damaged, cut short or against the standard"),
    ],
)
def test_read_refuses_what_is_no_single_projection_film(tags: dict[str, Any], fact: str) -> None:
    with pytest.raises(ImageError, match=fact):
        decoder.read(to_bytes(film(ramp(), **tags)), name="x.dcm")


def test_read_refuses_too_many_pixels_before_decoding_them() -> None:
    with pytest.raises(UnsafeFileError, match=r"^x\.dcm: 30000 x 30000 pixels is 900 megapixels, over the limit of 40"):
        decoder.read(to_bytes(film(ramp(), Rows=30000, Columns=30000)), name="x.dcm")


def test_read_refuses_deflated_data_unopened() -> None:
    dataset = film(ramp())
    dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    with pytest.raises(UnsafeFileError, match="deflated"):
        decoder.read(to_bytes(dataset))


def test_read_refuses_an_unknown_compression() -> None:
    with pytest.raises(ImageError, match="this kind of compression is not read"):
        decoder.read(compressed(uid.MPEG2MPML, b"\0" * 100, ramp()))


@pytest.mark.parametrize("length", [140, 400, 2000])
def test_read_refuses_a_truncated_file(length: int) -> None:
    with pytest.raises(ImageError, match="cut short"):
        decoder.read(to_bytes(film(ramp()))[:length])


def test_read_refuses_a_film_without_pixels() -> None:
    dataset = film(ramp())
    del dataset.PixelData
    with pytest.raises(ImageError, match="holds no picture"):
        decoder.read(to_bytes(dataset))


@pytest.mark.parametrize("tag", ["Modality", "ViewPosition", "WindowCenter", "PhotometricInterpretation"])
def test_no_value_of_a_tag_gets_out(
    tag: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    # A value against the standard, which pydicom quotes when it warns or refuses; the name stands in other tags too.
    dataset = film(ramp(), WindowWidth=100, **{tag: "123456789"})
    content = to_bytes(dataset).replace(b"123456789", PATIENT.encode())
    text = ""
    with caplog.at_level(logging.DEBUG):
        try:
            text = repr(decoder.read(content, name="x.dcm").warnings)
        except CxrEdgeError as error:
            text = "".join(traceback.format_exception(error))
    assert PATIENT in content.decode("latin-1")
    assert PATIENT not in text + caplog.text + "".join(capfd.readouterr())


def test_warnings_of_pydicom_reach_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    dataset = film(ramp())
    # More data than the picture needs makes pydicom warn; the tests turn every warning into an error.
    dataset.PixelData += b"\0" * 100
    assert decoder.read(to_bytes(dataset)).warnings == ()
    assert "".join(capfd.readouterr()) == ""


def test_read_names_the_extra_when_pydicom_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingExtraError, match=r"^reading DICOM needs the extra 'dicom'; type: pip install"):
        decoder.read(to_bytes(film(ramp())))


def test_read_names_the_extra_when_the_decoder_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    content = compressed(uid.JPEG2000Lossless, encode(ramp(), "JPEG2000", no_jp2=True), ramp())
    monkeypatch.setitem(sys.modules, "gdcm", None)
    with pytest.raises(MissingExtraError, match="reading compressed DICOM"):
        decoder.read(content)


def test_uncompressed_films_need_no_gdcm() -> None:
    code = (
        "import sys; sys.modules['gdcm'] = None; from cxr_edge.imaging import decoder;"
        "print(decoder.read(sys.stdin.buffer.read()).format)"
    )
    content = to_bytes(film(ramp()))
    result = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=True, timeout=60)
    assert result.stdout.strip() == b"DICOM"
