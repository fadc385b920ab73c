"""DICOM projection X-rays to 8-bit pictures, by way of the standard's grey-scale pipeline (PS3.3 C.11, PS3.4 N.2).

Only the tags named here are ever parsed, so no name, number or date of a patient can reach an error, a warning or a
log. Errors of pydicom quote tags and are therefore neither shown nor chained.
"""

from __future__ import annotations

import io
import logging
import math
import re
import warnings
from collections.abc import MutableSequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxr_edge.contract import Pixels
from cxr_edge.errors import ImageError, MissingExtraError, UnsafeFileError
from cxr_edge.imaging.limits import DAMAGE, check_size

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["decode"]

_Values = npt.NDArray[np.float64]

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
    if find_spec("pydicom") is None:
        raise MissingExtraError("reading DICOM", "dicom")
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
        return Image.fromarray(_shade(pixels, dataset)), _notes(dataset)
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
    if decoder == "gdcm" and find_spec("gdcm") is None:
        raise MissingExtraError("reading compressed DICOM", "dicom")
    return decoder


def _notes(dataset: Dataset) -> tuple[str, ...]:
    notes = []
    if not dataset.get("Modality"):
        notes.append("modality not stated")
    if dataset.get("ViewPosition") in _LATERALS:
        notes.append("lateral view; the classifier knows frontal films")
    if dataset.get("WindowWidth") is not None and not dataset.get("VOILUTSequence") and _window(dataset) is None:
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


def _shade(stored: npt.NDArray[Any], dataset: Dataset) -> Pixels:
    """Return stored grey values as they are to be shown: modality LUT, then VOI LUT or window, then polarity."""
    low, high = int(stored.min()), int(stored.max())
    # The pipeline runs once for each stored value, of which there are 65536 at most, not for each pixel.
    with np.errstate(all="ignore"):
        values = _rescale(np.arange(low, high + 1, dtype=np.float64), dataset)
        shades = np.clip(_show(values, stored, dataset), 0.0, 1.0)
    if np.isnan(shades).any():
        raise ValueError("the tags give no grey values")
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shades = 1.0 - shades
    table = np.rint(shades * 255.0).astype(np.uint8)
    picture: Pixels = table[np.subtract(stored, low, dtype=np.int64)]
    return picture


def _show(values: _Values, stored: npt.NDArray[Any], dataset: Dataset) -> _Values:
    """Return the values through the VOI LUT, the window, or their own range: 0 is darkest, 1 brightest."""
    if dataset.get("VOILUTSequence"):
        levels, bits = _look_up(values, dataset.VOILUTSequence[0])
        return levels / ((1 << bits) - 1)
    window = _window(dataset)
    if window is not None:
        return _apply(values, *window)
    bottom, top = _range(stored, dataset)
    return (values - bottom) / max(top - bottom, 1e-9)


def _rescale(stored: _Values, dataset: Dataset) -> _Values:
    if dataset.get("ModalityLUTSequence"):
        return _look_up(stored, dataset.ModalityLUTSequence[0])[0]
    slope, intercept = (dataset.get(tag) for tag in ("RescaleSlope", "RescaleIntercept"))
    return stored * (1.0 if slope is None else float(slope)) + (0.0 if intercept is None else float(intercept))


def _look_up(values: _Values, item: Dataset) -> tuple[_Values, int]:
    """Return the values through a look-up table, and its depth in bits."""
    count, first, bits = (int(number) for number in item.LUTDescriptor)
    count = count or 1 << 16
    data = item.LUTData
    packed = isinstance(data, bytes) and len(data) < 2 * count
    table = np.frombuffer(data, "u1" if packed else "<u2") if isinstance(data, bytes) else np.asarray(data)
    index = np.clip(np.rint(values) - first, 0, count - 1).astype(np.int64)
    return table[index].astype(np.float64), bits


def _window(dataset: Dataset) -> tuple[str, float, float] | None:
    """Return function, centre and width of the first window; None where there is none, or none that is valid."""
    center, width = (dataset.get(tag) for tag in ("WindowCenter", "WindowWidth"))
    if center is None or width is None:
        return None
    center, width = (float(value[0] if isinstance(value, MutableSequence) else value) for value in (center, width))
    function = str(dataset.get("VOILUTFunction") or "LINEAR")
    least = 1.0 if function == "LINEAR" else 1e-9
    valid = function in ("LINEAR", "LINEAR_EXACT", "SIGMOID") and math.isfinite(center) and least <= width < math.inf
    return (function, center, width) if valid else None


def _apply(values: _Values, function: str, center: float, width: float) -> _Values:
    """Return the values through a window, 0 to 1. PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -60.0, 60.0)))
    if function == "LINEAR":
        center, width = center - 0.5, max(width - 1.0, 1e-9)
    return (values - center) / width + 0.5


def _range(stored: npt.NDArray[Any], dataset: Dataset) -> tuple[float, float]:
    """Return the values to be shown darkest and brightest where no window says so.

    Unsigned values of 8 bits are ready to be shown; deeper ones are shown from the least to the greatest.
    """
    if int(dataset.BitsStored) <= 8 and not dataset.PixelRepresentation:
        ends = np.array([0, (1 << int(dataset.BitsStored)) - 1])
    else:
        padding = dataset.get("PixelPaddingValue")
        limit = dataset.get("PixelPaddingRangeLimit", padding)
        if padding is not None:
            film = stored[(stored < min(padding, limit)) | (stored > max(padding, limit))]
            stored = film if film.size else stored
        ends = np.array([stored.min(), stored.max()])
    values = _rescale(ends.astype(np.float64), dataset)
    return float(values.min()), float(values.max())
