"""What an archive holds: a folder tree, a manifest, a list of paths, a zip or a tar; listed as a stream.

Whatever cannot be listed (a folder without permission, a damaged zip) is a member with its fault, so that it is told of
in a row and keeps no film from being scored.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePath

from cxr_edge.archive import tars, zips
from cxr_edge.archive.members import Member, is_tar, is_zip
from cxr_edge.data.listing import is_image, is_inside
from cxr_edge.errors import DataError
from cxr_edge.system.walk import walk

__all__ = ["list_members", "root_of"]

_MAX_LINE_BYTES = 2**16


def root_of(archive: Path) -> Path:
    """Return the absolute folder that the members' places are below: the archive, or where its file lies.

    Raises DataError when there is no such archive.
    """
    if not os.path.exists(archive):
        raise DataError(f"{archive}: does not exist or cannot be reached; check the path")
    whole = Path(os.path.abspath(archive))
    return whole if os.path.isdir(whole) else whole.parent


def list_members(archive: Path) -> Iterator[Member]:
    """Yield all images of an archive, in no order. Raises DataError for a file that is not a list of paths."""
    root, name = root_of(archive), archive.name
    if os.path.isdir(archive):
        return _walk(root)
    if _is_wanted(name):
        return _expand(root, name)
    found = _read_manifest(archive) if name.lower().endswith(".csv") else _read_list(archive)
    return (member for place in found for member in (_expand(root, place) if isinstance(place, str) else (place,)))


def _walk(root: Path) -> Iterator[Member]:
    """Yield what is below a folder; a folder that cannot be listed is a fault."""
    faults: list[Member] = []

    def note(place: str, error: OSError) -> None:
        fault = f"cannot be listed ({error.strerror or error}); check its permissions"
        faults.append(Member(os.path.relpath(place, root).replace(os.sep, "/"), "fault", fault=fault))

    for entry in walk(root, note):
        if _is_wanted(entry.name):
            yield from _expand(root, os.path.relpath(entry.path, root).replace(os.sep, "/"))
    yield from faults


def _is_wanted(name: str) -> bool:
    return is_image(name) or is_zip(name) or is_tar(name)


def _expand(root: Path, place: str) -> Iterator[Member]:
    """Yield the film at `place`, or those in the container there."""
    if not (is_zip(place) or is_tar(place)):
        yield Member(place)
        return
    damage = zips.DAMAGE if is_zip(place) else tars.DAMAGE
    try:
        yield from (zips if is_zip(place) else tars).list_members(root / place, place)
    except damage as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        yield Member(place, "fault", fault=f"cannot be listed to its end ({reason}); make or download it again")


def _read_list(path: Path) -> Iterator[str]:
    """Yield the lines of a list of paths. Names may hold any bytes but line ends."""
    try:
        with path.open("rb") as handle:
            while line := handle.readline(_MAX_LINE_BYTES):
                if b"\0" in line or len(line) == _MAX_LINE_BYTES:
                    raise DataError(
                        f"{path}: is no list of paths; give one, or a folder, a zip, a tar or a .csv manifest"
                    )
                if text := os.fsdecode(line.rstrip(b"\r\n")):
                    yield PurePath(text).as_posix()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error


def _read_manifest(path: Path) -> Iterator[str | Member]:
    """Yield the cells of the column 'path'; one that leads out of the manifest's folder is a fault."""
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle)
            columns = [re.sub(r"\s+", "_", name.strip().casefold()) for name in next(reader, [])]
            if "path" not in columns:
                raise DataError(f"{path}: has no column 'path' but {', '.join(columns) or 'nothing'}; add it")
            column = columns.index("path")
            for cells in reader:
                line = reader.line_num
                place = cells[column].strip() if column < len(cells) else ""
                if place and not is_inside(place):
                    yield Member(place, "fault", fault="leads out of the manifest's folder; use paths below it only")
                elif place:
                    yield place
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} after line {line}: not valid CSV in UTF-8 ({error}); fix the line") from error
