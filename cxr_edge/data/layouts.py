"""The forms in which films come in a folder, each read into rows: manifest.csv, a folder a class, public collections.

A reader lists files and never opens an image. It returns None where the folder is not of its form, so that the
forms are tried in order, the ones with a list of their own first. docs/data.md describes each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cxr_edge.data.listing import (
    SPLIT_NAMES,
    SPLITS,
    Listing,
    Row,
    find_images,
    find_subfolders,
    is_image,
    is_inside,
    locate,
    parse_split,
    read_lines,
    read_table,
)
from cxr_edge.errors import DataError

__all__ = ["read_folder"]

_FRONTAL_VIEWS = {"pa", "ap", "aps", "ap supine", "ap erect"}
_OPEN_FINDINGS = {"", "todo", "unknown"}
_COVIDX_LABELS = {
    "covid-19": "covid",
    "positive": "covid",
    "negative": "noncovid",
    "normal": "noncovid",
    "pneumonia": "noncovid",
    "viral": "noncovid",
    "bacteria": "noncovid",
}
_RADIOGRAPHY_LABELS = {
    "covid": "covid",
    "covid-19": "covid",
    "normal": "noncovid",
    "lung_opacity": "noncovid",
    "viral pneumonia": "noncovid",
}
_DLAI3_LABELS = (
    {"covid-19": "covid", "nofinding": "noncovid", "thoraxdisease": "noncovid"},
    {"positive": "covid", "negative": "noncovid"},
)


def read_folder(folder: Path) -> Listing:
    """List the films of `folder` in whichever known form it has. Raises DataError, UnsafeFileError."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such data folder; give one with manifest.csv or a folder a class, or 'phantom'")
    root = _unwrap(folder)
    readers = (_read_manifest, _read_ieee8023, _read_covidx, _read_radiography, _read_dlai3)
    listings = (listing for read in readers if (listing := read(root)) is not None)
    listing = next(listings, None) or Listing(root.name, root, tuple(_walk_classes(root, None, source=root.name)))
    _refuse_repeats(listing)
    return listing


def _refuse_repeats(listing: Listing) -> None:
    seen: dict[Path, str] = {}
    for row in listing.rows:
        if row.path in seen:
            raise DataError(f"{row.where}: lists {row.path.name}, as {seen[row.path]} does; remove one of the two")
        seen[row.path] = row.where


def _read_manifest(root: Path) -> Listing | None:
    path = root / "manifest.csv"
    if not path.is_file():
        return None
    table = read_table(path, required=("path", "class"))
    has_splits = any(cells.get("split") for _, cells in table)
    rows = []
    for where, cells in table:
        if not cells["class"]:
            raise DataError(f"{where}: the class is empty; name it, or remove the line")
        mask = cells.get("mask")
        rows.append(
            Row(
                path=locate(root, cells["path"], where),
                label=cells["class"],
                split=parse_split(cells.get("split", ""), where) if has_splits else None,
                source=cells.get("source") or root.name,
                patient_id=cells.get("patient_id") or None,
                where=where,
                mask_path=locate(root, mask, where) if mask else None,
            )
        )
    return Listing(root.name, root, tuple(rows))


def _read_ieee8023(root: Path) -> Listing | None:
    path = root / "metadata.csv"
    if not path.is_file():
        return None
    rows, other, unnamed = [], 0, 0
    for where, cells in read_table(path, required=("patientid", "finding", "view", "filename")):
        if cells["view"].casefold() not in _FRONTAL_VIEWS or cells.get("modality", "X-ray").casefold() != "x-ray":
            other += 1
        elif cells["finding"].casefold() in _OPEN_FINDINGS:
            unnamed += 1
        else:
            label = "covid" if "COVID-19" in cells["finding"] else "noncovid"
            image = locate(root, f"{cells.get('folder') or 'images'}/{cells['filename']}", where)
            rows.append(Row(image, label, None, "ieee8023", cells["patientid"] or None, where))
    notes = (
        f"ieee8023: left out {other} images that are no frontal X-ray and {unnamed} without a finding",
        "ieee8023: every finding but COVID-19 counts as 'noncovid'",
    )
    return Listing("ieee8023", root, tuple(rows), notes)


def _read_covidx(root: Path) -> Listing | None:
    lists = {split: _covidx_list(root, split) for split in SPLITS}
    if lists["train"] is None and lists["test"] is None:
        return None
    rows: list[Row] = []
    for split, path in lists.items():
        if path is not None:
            rows.extend(_covidx_rows(root, split, path))
    return Listing("covidx", root, tuple(rows), ("covidx: normal and other pneumonia count as 'noncovid'",))


def _covidx_list(root: Path, split: str) -> Path | None:
    found = sorted(root.glob(f"{split}.txt")) or sorted(root.glob(f"{split}_COVIDx*.txt"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{root}: several lists for '{split}' ({names}); keep the one to read")
    return found[0] if found else None


def _covidx_rows(root: Path, split: str, path: Path) -> Iterator[Row]:
    for where, line in read_lines(path):
        words = line.split()
        # The class stands last in the lists up to COVIDx 2 and before the source in the later ones.
        at = next((at for at in (len(words) - 1, len(words) - 2) if at > 0 and words[at].lower() in _COVIDX_LABELS), 0)
        if not at:
            raise DataError(f"{where}: no class of COVIDx in it; a line is: patient file class [source]")
        patient, name = (words[0], " ".join(words[1:at])) if at > 1 else (None, words[0])
        if patient and is_image(patient) and not is_image(name):
            patient, name = name, patient
        places = (f"{split}/{name}", name, f"data/{split}/{name}")
        image = next((place for place in places if is_inside(place) and (root / place).is_file()), places[0])
        source = words[at + 1] if at + 1 < len(words) else "covidx"
        yield Row(locate(root, image, where), _COVIDX_LABELS[words[at].lower()], split, source, patient, where)


def _read_radiography(root: Path) -> Listing | None:
    names = {folder.name.casefold() for folder in find_subfolders(root)}
    if not {"normal", "viral pneumonia"} <= names or not names & {"covid", "covid-19"}:
        return None
    # Its masks outline the lungs; Row.mask_path is for lesions, so they are not read.
    rows = _walk_classes(root, None, source="radiography", labels=_RADIOGRAPHY_LABELS, inner="images")
    note = "radiography: Normal, Lung_Opacity and Viral Pneumonia count as 'noncovid'; each comes from another source"
    return Listing("radiography", root, tuple(rows), (note,))


def _read_dlai3(root: Path) -> Listing | None:
    for labels in _DLAI3_LABELS:
        folders = [folder for folder in find_subfolders(root) if folder.name.casefold() in SPLIT_NAMES] or [root]
        if all({inner.name.casefold() for inner in find_subfolders(folder)} == set(labels) for folder in folders):
            rows = _walk_classes(root, None, source="dlai3", labels=labels)
            note = f"dlai3: read {', '.join(labels)} as {', '.join(labels.values())}"
            return Listing("dlai3", root, tuple(rows), (note,))
    return None


def _walk_classes(
    folder: Path, split: str | None, *, source: str, labels: dict[str, str] | None = None, inner: str = ""
) -> Iterator[Row]:
    folders = find_subfolders(folder)
    if split is None and folders and all(sub.name.casefold() in SPLIT_NAMES for sub in folders):
        for sub in folders:
            yield from _walk_classes(sub, SPLIT_NAMES[sub.name.casefold()], source=source, labels=labels, inner=inner)
        return
    for sub in folders:
        label = sub.name if labels is None else labels.get(sub.name.casefold())
        if label is None:
            raise DataError(f"{sub}: not a class of the {source} layout; move it out of the folder")
        below = sub / inner if inner and (sub / inner).is_dir() else sub
        for image in find_images(below):
            yield Row(image, label, split, source, None, str(image))


def _unwrap(folder: Path) -> Path:
    """Step into the one folder that an unpacked archive wraps around its content."""
    for _ in range(3):
        inner = find_subfolders(folder)
        if len(inner) != 1 or inner[0].name.casefold() in SPLIT_NAMES or _has_list(folder):
            break
        if not _has_list(inner[0]) and ((inner[0] / "images").is_dir() or not find_subfolders(inner[0])):
            break
        folder = inner[0]
    return folder


def _has_list(folder: Path) -> bool:
    names = [f"{split}{rest}.txt" for split in SPLITS for rest in ("", "_COVIDx*")]
    patterns = ["manifest.csv", "metadata.csv", *names]
    return any(path.is_file() for pattern in patterns for path in folder.glob(pattern))
