"""A film that takes all memory as DICOM: a deflated data set, whose size nothing states."""

from __future__ import annotations

import zlib
from pathlib import Path

from tests.fuzz import seeds

CODE, FACT = 4, "deflated DICOM is not opened"


def make(folder: Path) -> list[str]:
    """Write the attack and return the command that meets it."""
    plain = seeds.dicom()[0]
    head = plain.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")[:400]
    squeezed = zlib.compressobj(wbits=-15)
    (folder / "evil.dcm").write_bytes(head + squeezed.compress(bytes(50_000_000)) + squeezed.flush())
    return ["explain", "evil.dcm", "--out", "map.png"]
