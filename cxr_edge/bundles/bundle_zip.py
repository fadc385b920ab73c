"""A bundle in a .zip: what is in it is known beforehand, so anything else is refused before it is unpacked.

The names are `manifest.json` and those that it lists, plain or all in one folder; no links, no copies, at most 64 MiB
in all, and nothing that grows more than a hundredfold. Every file has to have the hash that the manifest states.
"""

from __future__ import annotations

import io
import json
import stat
import zipfile
import zlib
from pathlib import Path

from cxr_edge.bundles.manifest import MANIFEST_NAME, Manifest
from cxr_edge.errors import BundleError, DataError, UnsafeFileError
from cxr_edge.system import files

__all__ = ["MAX_BYTES", "MAX_RATIO", "open_archive", "unpack"]

MAX_BYTES = 64 * 2**20
MAX_RATIO = 100

_MAX_ENTRIES = 64
_MAX_MANIFEST_BYTES = 8 * 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_ENTRY_MARK = b"PK\1\2"
_DAMAGE = (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, ValueError, zlib.error)
_kept: list[object] = []


def open_archive(path: Path) -> tuple[Path, Manifest]:
    """Unpack the .zip at `path` into a folder that is removed when the process ends; return folder and manifest.

    Raises BundleError, UnsafeFileError.
    """
    import atexit
    import tempfile

    try:
        content = files.read_capped(path, MAX_BYTES)
    except DataError as error:
        raise BundleError(str(error)) from error
    folder = tempfile.TemporaryDirectory(prefix="cxr-edge-")
    atexit.register(folder.cleanup)
    # The folder goes with the object.
    _kept.append(folder)
    return Path(folder.name), unpack(content, Path(folder.name), str(path))


def unpack(content: bytes, folder: Path, name: str) -> Manifest:
    """Write the bundle in the .zip `content` to the empty folder `folder`, the manifest last, and return that.

    `name` stands for the .zip in errors. Raises UnsafeFileError for what no bundle has, BundleError for one that is
    damaged or not whole, OutputError.
    """
    # Python reads the whole list of files before anything can be asked of it.
    if content.count(_ENTRY_MARK) > 2 * _MAX_ENTRIES:
        raise UnsafeFileError(f"{name}: holds more than {_MAX_ENTRIES} files")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = _list(archive, name)
            if MANIFEST_NAME not in entries:
                raise BundleError(f"{name}: has no {MANIFEST_NAME}, so it is no bundle; zip the folder of one")
            stated = _read(archive, entries[MANIFEST_NAME], _MAX_MANIFEST_BYTES)
            manifest = _parse(stated, name)
            hashes = {key: item.sha256 for key, item in manifest.artifacts.items()} | dict(manifest.files)
            for strange in sorted(set(entries) - set(hashes) - {MANIFEST_NAME}):
                raise UnsafeFileError(f"{name}: holds '{strange}', which its {MANIFEST_NAME} does not list; remove it")
            for key, digest in hashes.items():
                if key not in entries:
                    raise BundleError(f"{name}: lacks {key}, which its {MANIFEST_NAME} lists; zip the whole folder")
                data = _read(archive, entries[key], MAX_BYTES)
                if files.sha256_bytes(data) != digest:
                    raise BundleError(f"{name}: {key}: sha256 differs from {MANIFEST_NAME}; zip the bundle again")
                files.write_bytes(folder / key, data)
    except _DAMAGE as error:
        raise BundleError(f"{name}: is no sound .zip file ({error}); copy or download it again") from error
    files.write_bytes(folder / MANIFEST_NAME, stated)
    return manifest


def _list(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """Return the files by their plain names. Raises UnsafeFileError for a name, kind or size that no bundle has."""
    entries = [item for item in archive.infolist() if not _is_folder(item)]
    if len(archive.infolist()) > _MAX_ENTRIES:
        raise UnsafeFileError(f"{name}: holds more than {_MAX_ENTRIES} files")
    if sum(item.file_size for item in entries) > MAX_BYTES:
        raise UnsafeFileError(f"{name}: unpacks to more than {MAX_BYTES >> 20} MiB")
    parents = {item.filename.rpartition("/")[0] for item in entries}
    found: dict[str, zipfile.ZipInfo] = {}
    for item in entries:
        _check_entry(item, name)
        plain = item.filename.rpartition("/")[2]
        if plain.casefold() in {known.casefold() for known in found}:
            raise UnsafeFileError(f"{name}: holds '{plain}' twice")
        found[plain] = item
    if len(parents) > 1 or any("/" in parent or parent in (".", "..") for parent in parents):
        raise UnsafeFileError(f"{name}: holds files in several folders; zip the folder of one bundle")
    return found


def _check_entry(item: zipfile.ZipInfo, name: str) -> None:
    if item.filename.startswith("/") or "\\" in item.filename or ":" in item.filename:
        raise UnsafeFileError(f"{name}: holds the path {item.filename!r}, which leads out of it")
    mode = item.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise UnsafeFileError(f"{name}: holds {item.filename!r}, a link or no regular file")
    if item.flag_bits & _ENCRYPTED or item.compress_type not in _METHODS:
        raise UnsafeFileError(f"{name}: holds {item.filename!r} encrypted, or packed in a way that is not read")
    if item.file_size > MAX_RATIO * max(item.compress_size, 1):
        raise UnsafeFileError(f"{name}: {item.filename!r} grows more than {MAX_RATIO} times when it is unpacked")


def _is_folder(item: zipfile.ZipInfo) -> bool:
    return item.filename.endswith("/") and not item.file_size


def _parse(stated: bytes, name: str) -> Manifest:
    where = f"{name}: {MANIFEST_NAME}"
    try:
        value = json.loads(stated.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where}: not valid JSON ({error}); zip the bundle again") from error
    return Manifest.from_json(value, where=where)


def _read(archive: zipfile.ZipFile, item: zipfile.ZipInfo, most: int) -> bytes:
    """Return a file's content; what it claims to hold is read, and never more."""
    with archive.open(item) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise UnsafeFileError(f"{item.filename}: larger than the limit of {most >> 20} MiB for this kind of file")
    return data
