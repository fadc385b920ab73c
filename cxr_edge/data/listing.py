"""What the readers of layouts.py share: the rows they make, safe paths below the data folder, lists in CSV and text."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NoReturn

from cxr_edge.errors import DataError, UnsafeFileError
from cxr_edge.system import files
from cxr_edge.system.walk import is_hidden_file, is_hidden_folder, walk

__all__ = [
    "SPLITS",
    "SPLIT_NAMES",
    "Listing",
    "Row",
    "find_images",
    "find_subfolders",
    "is_image",
    "is_inside",
    "locate",
    "parse_split",
    "read_lines",
    "read_table",
]

SPLITS = ("train", "val", "test")
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "vali": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What people call a split, in lower case, and what it is called here."""

_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".dcm", ".dicom", ".bmp", ".tif", ".tiff", ".webp")
_MAX_LIST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Row:
    """One image as its folder lists it. `where` names file and line for errors; None means that nothing is stated."""

    path: Path
    label: str
    split: str | None
    source: str
    patient_id: str | None
    where: str
    mask_path: Path | None = None


@dataclass(frozen=True)
class Listing:
    """The rows of the data set `name`, whose files lie below `folder`, and what its user ought to be warned of."""

    name: str
    folder: Path
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def find_subfolders(folder: Path) -> list[Path]:
    """Return the folders right below `folder`, hidden ones left out, by name. Raises DataError when unreadable."""
    try:
        return sorted(sub for sub in folder.iterdir() if sub.is_dir() and not is_hidden_folder(sub.name))
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror or error}); check its permissions") from error


def find_images(folder: Path) -> list[Path]:
    """Return the image files anywhere below `folder`, by path; what is hidden is left out.

    Raises DataError for a folder that cannot be listed.
    """

    def refuse(place: str, error: OSError) -> NoReturn:
        raise DataError(f"{place}: cannot be listed ({error.strerror or error}); check its permissions") from error

    return sorted(Path(entry.path) for entry in walk(folder, refuse) if is_image(entry.name) and entry.is_file())


def is_image(name: str) -> bool:
    """Say whether a file name ends like an image's; hidden files do not count."""
    return name.lower().endswith(_IMAGE_SUFFIXES) and not is_hidden_file(name)


def is_inside(text: str) -> bool:
    """Say whether the relative path `text` stays below its folder on any system."""
    pure = PurePosixPath(text), PureWindowsPath(text)
    return not any(path.is_absolute() or path.drive or path.root or ".." in path.parts for path in pure)


def locate(root: Path, text: str, where: str) -> Path:
    """Return the existing file `text` below `root`. Raises UnsafeFileError when it leads out, DataError when absent."""
    if not is_inside(text):
        raise UnsafeFileError(f"{where}: path {text!r} leads out of the data folder; use paths below it only")
    path = root / text
    if not text or not path.is_file():
        raise DataError(f"{where}: image file {text!r} does not exist; fix the path or remove the line")
    return path


def parse_split(text: str, where: str) -> str:
    """Return train, val or test. Raises DataError for any other word."""
    split = SPLIT_NAMES.get(text.casefold())
    if split is None:
        raise DataError(f"{where}: unknown split {text!r}; use {', '.join(SPLITS)}, or no 'split' column at all")
    return split


def read_lines(path: Path) -> list[tuple[str, str]]:
    """Return (where, text) for each line of a UTF-8 file that is not blank. Raises DataError, UnsafeFileError."""
    lines = enumerate(_read_text(path).splitlines(), start=1)
    return [(f"{path} line {number}", line) for number, line in lines if line.strip()]


def read_table(path: Path, required: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """Return (where, cells) for each line of a CSV file; column names are in lower case with '_' for blanks.

    Raises DataError when a required column is missing or the file is no CSV, UnsafeFileError when it is too large.
    """
    reader = csv.reader(io.StringIO(_read_text(path), newline=""))
    try:
        columns = [re.sub(r"\s+", "_", name.strip().casefold()) for name in next(reader, [])]
        lines = [(f"{path} line {reader.line_num}", cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: not valid CSV ({error}); fix the line") from error
    for name in required:
        if name not in columns:
            raise DataError(f"{path}: has no column '{name}' but {', '.join(columns) or 'nothing'}; add it")
    blank = dict.fromkeys(columns, "")
    return [
        (where, blank | {name: cell.strip() for name, cell in zip(columns, cells, strict=False)})
        for where, cells in lines
    ]


def _read_text(path: Path) -> str:
    try:
        return files.read_capped(path, _MAX_LIST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error
