"""Measure what reading a film costs, from its bytes to the pixels of the input contract, by format and size.

    python scripts/bench_reading.py [--films N]

Prints processor milliseconds and bytes a film for simulated films, and writes build/bench-reading.json: what an
estimate needs for an archive of other films than those of bench_score.py.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from cxr_edge.imaging import decoder
from cxr_edge.phantom.radiograph import render
from cxr_edge.system import files

LARGE_PX = 2048


def draw(index: int, side_px: int) -> npt.NDArray[np.uint8]:
    """Return a simulated film, `side_px` a side, with the grain of a detector."""
    film = Image.fromarray(render(index, "covid").pixels).resize((side_px, side_px), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(index).normal(0.0, 2.0, (side_px, side_px))
    return np.clip(np.asarray(film) + noise, 0, 255).astype(np.uint8)


def to_picture(pixels: npt.NDArray[Any], form: str) -> bytes:
    """Return the pixels as a JPEG or PNG file."""
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, form, **({"quality": 90} if form == "JPEG" else {}))
    return sink.getvalue()


def to_dicom(pixels: npt.NDArray[np.uint16]) -> bytes:
    """Return 12-bit pixels as an uncompressed DX file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    film.Modality, film.PhotometricInterpretation, film.SamplesPerPixel = "DX", "MONOCHROME2", 1
    film.Rows, film.Columns = pixels.shape
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    film.WindowCenter, film.WindowWidth = 2048, 4096
    film.PixelData = pixels.astype("<u2").tobytes()
    sink = io.BytesIO()
    film.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--films", type=int, default=12, help="different films of each kind (default: 12)")
    count = parser.parse_args().films
    large = [draw(index, LARGE_PX) for index in range(count)]
    deep = [pixels.astype(np.uint16) * 16 for pixels in large]
    kinds = {
        "JPEG, 320 px": [to_picture(draw(index, 320), "JPEG") for index in range(count)],
        f"JPEG, {LARGE_PX} px": [to_picture(pixels, "JPEG") for pixels in large],
        f"PNG, 16 bits, {LARGE_PX} px": [to_picture(pixels, "PNG") for pixels in deep],
        f"DICOM, 12 bits, uncompressed, {LARGE_PX} px": [to_dicom(pixels) for pixels in deep],
    }
    report = {}
    for kind, contents in kinds.items():
        decoder.read(contents[0])
        start_s = time.process_time()
        for content in contents:
            decoder.read(content)
        used_ms = (time.process_time() - start_s) / count * 1e3
        report[kind] = {"processor_ms": used_ms, "bytes": sum(map(len, contents)) / count}
        print(f"{kind}: {used_ms:.2f} ms, {report[kind]['bytes'] / 1e6:.2f} MB")
    files.write_json(Path("build/bench-reading.json"), report)


if __name__ == "__main__":
    main()
