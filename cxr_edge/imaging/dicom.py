"""DICOM projection X-rays to 8-bit pictures, by way of the standard's grey-scale pipeline (dicom_grayscale.py).

Only the tags named here are ever parsed, so no name, number or date of a patient can reach an error, a warning or a
log. Errors of pydicom quote tags and are therefore neither shown nor chained.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from PIL import Image

from cxr_edge.errors import ImageError, UnsafeFileError
from cxr_edge.imaging.dicom_grayscale import has_invalid_window, shade
from cxr_edge.imaging.limits import DAMAGE, check_size
from cxr_edge.system.extras import need

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["decode"]

# XR is no standard term, but anonymised sets carry it.
_PROJECTIONS = ("CR", "DX", "RG", "XR")
_LATERALS = ("LL", "RL", "LATERAL")
_TAGS = [
    "Modality",
    "ViewPosition",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleIntercept",
    "RescaleSlope",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "VOILUTFunction",
    "WindowCenter",
    "WindowWidth",
    "PixelData",
]
_DEFLATED = "1.2.840.10008.1.2.1.99"
# The one library that decodes each transfer syntax; pydicom itself would try whatever is installed, in turn.
_DECODERS = {
    "1.2.840.10008.1.2": "",
    "1.2.840.10008.1.2.1": "",
    "1.2.840.10008.1.2.5": "pydicom",
    "1.2.840.10008.1.2.4.50": "pillow",
    "1.2.840.10008.1.2.4.51": "gdcm",
    "1.2.840.10008.1.2.4.57": "gdcm",
    "1.2.840.10008.1.2.4.70": "gdcm",
    "1.2.840.10008.1.2.4.80": "gdcm",
    "1.2.840.10008.1.2.4.81": "gdcm",
    "1.2.840.10008.1.2.4.90": "gdcm",
    "1.2.840.10008.1.2.4.91": "gdcm",
}
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def decode(content: bytes, name: str) -> tuple[Image.Image, tuple[str, ...]]:
    """Return the picture of a DICOM film, 8 bit, mode "L" or "RGB", and warnings.

    Raises ImageError, UnsafeFileError, and MissingExtraError where the extra 'dicom' is not installed.
    """
    need("reading DICOM", "dicom", "pydicom")
    from pydicom import dcmread
    from pydicom.errors import BytesLengthException, InvalidDicomError

    # pydicom warns of odd values, and logs what it warns of, by quoting them; they may be a patient's.
    warnings.filterwarnings("ignore", module=r"(pydicom|PIL)\.")
    logging.getLogger("pydicom").propagate = False
    if _DEFLATED.encode() in content:
        raise UnsafeFileError(
            f"{name}: deflated DICOM is not opened, since its size is unknown; export it uncompressed"
        )
    damage: tuple[type[Exception], ...] = (BytesLengthException, InvalidDicomError, *DAMAGE)
    try:
        dataset = dcmread(io.BytesIO(content), specific_tags=list(_TAGS))
        decoder = _check(dataset, name)
        pixels = _pixels(dataset, decoder)
        if pixels.ndim == 3:
            return Image.fromarray(pixels), _notes(dataset)
        return Image.fromarray(shade(pixels, dataset)), _notes(dataset)
    except damage:
        raise ImageError(
            f"{name}: the DICOM data are damaged, cut short or against the standard; export the film again"
        ) from None


def _check(dataset: Dataset, name: str) -> str:
    """Refuse what is no single projection X-ray that can be decoded; return the name of its decoder."""
    modality = str(dataset.get("Modality") or "")
    if modality and modality not in _PROJECTIONS:
        shown = modality if re.fullmatch(r"[A-Z]{2,4}", modality) else "(not a standard term)"
        raise ImageError(
            f"{name}: wrong modality {shown}, not a projection X-ray (CR, DX, RG); give a chest radiograph"
        )
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames != 1:
        raise ImageError(f"{name}: holds {frames} frames, not one film; export the frame to be read")
    if "PixelData" not in dataset:
        raise ImageError(f"{name}: holds no picture or is cut short; export the film again")
    check_size(name, int(dataset.Columns), int(dataset.Rows))
    photometric, bits = str(dataset.PhotometricInterpretation), int(dataset.BitsAllocated)
    samples, deepest = (1, 16) if photometric in _MONOCHROME else (3, 8)
    if photometric not in _MONOCHROME + _COLOUR or dataset.SamplesPerPixel != samples or bits not in (8, deepest):
        raise ImageError(f"{name}: this kind of pixel is not read; export the film as 8 or 16-bit MONOCHROME2")
    decoder = _DECODERS.get(str(dataset.file_meta.TransferSyntaxUID))
    if decoder is None:
        raise ImageError(f"{name}: this kind of compression is not read; export the film uncompressed")
    if decoder == "gdcm":
        need("reading compressed DICOM", "dicom", "gdcm")
    return decoder


def _notes(dataset: Dataset) -> tuple[str, ...]:
    notes = []
    if not dataset.get("Modality"):
        notes.append("modality not stated")
    if dataset.get("ViewPosition") in _LATERALS:
        notes.append("lateral view; the classifier knows frontal films")
    if has_invalid_window(dataset):
        notes.append("invalid window ignored")
    return tuple(notes)


def _pixels(dataset: Dataset, decoder: str) -> npt.NDArray[Any]:
    """Return the stored values, (rows, columns), or RGB colours, (rows, columns, 3) uint8."""
    from pydicom.pixels.utils import pixel_array

    if decoder == "gdcm":
        import gdcm

        gdcm.Trace.WarningOff()
        gdcm.Trace.ErrorOff()
    pixels: npt.NDArray[Any] = pixel_array(dataset, decoding_plugin=decoder)
    if pixels.ndim == 2 and not dataset.PixelRepresentation:
        # Bits above the stored ones may hold an overlay.
        pixels = pixels & pixels.dtype.type((1 << int(dataset.BitsStored)) - 1)
    return pixels
