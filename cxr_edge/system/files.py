"""Files written whole or not at all, and files read with a cap on their size."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from cxr_edge.errors import DataError, OutputError, UnsafeFileError

__all__ = [
    "atomic_write",
    "prepare_folder",
    "read_capped",
    "read_json",
    "sha256_bytes",
    "sha256_file",
    "staged_folder",
    "sweep_temporaries",
    "to_json_bytes",
    "write_bytes",
    "write_json",
    "write_text",
]

_TEMP_PREFIX = ".cxr-edge-tmp-"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def prepare_folder(folder: Path) -> Path:
    """Create `folder` with its parents and prove that it can be written to. Raises OutputError."""
    # Imported here, as in what follows: classifying one film writes nothing, and its start is to be short.
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _output_error(folder, error) from error
    return folder


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file that becomes `path` when the block ends without an error.

    The bytes go to a temporary file beside `path`, are synced to disk, and are then renamed over it: a reader
    sees the old content or the new, never a part. Raises OutputError when the place cannot be written.
    """
    temporary = _temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _output_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder beside `target` that takes its place, whole, when the block ends without an error.

    An older `target` stays as it is until then. Raises OutputError when the place cannot be written.
    """
    if os.path.exists(target) and not os.path.isdir(target):
        raise OutputError(f"{target}: is a file, and a folder is to be written; choose another place")
    # The folder that a link leads to is exchanged, not the link.
    target = Path(os.path.realpath(target)) if os.path.islink(target) else target
    staged = _temporary_beside(target)
    try:
        prepare_folder(target.parent)
        sweep_temporaries(target.parent)
        staged.mkdir()
        yield staged
        _sync_folder(staged)
        if target.exists():
            _exchange(staged, target)
        else:
            staged.rename(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise _output_error(target, error) from error
    finally:
        _remove_tree(staged)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically. Raises OutputError."""
    with atomic_write(path) as handle:
        handle.write(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, atomically. Raises OutputError."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, atomically. Raises OutputError."""
    write_bytes(path, to_json_bytes(value))


def to_json_bytes(value: Any) -> bytes:
    """Return `value` as indented JSON with sorted keys, in UTF-8."""
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def read_capped(path: Path, limit_bytes: int) -> bytes:
    """Return the content of the regular file `path`. Raises UnsafeFileError over the limit, DataError unreadable."""
    try:
        if not path.is_file():
            what = "does not exist"
            if path.exists():
                what = "is a folder, not a file" if path.is_dir() else "is no regular file"
            raise DataError(f"{path}: {what}; check the path")
        with path.open("rb") as handle:
            data = handle.read(limit_bytes + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error
    if len(data) > limit_bytes:
        raise UnsafeFileError(f"{path}: larger than the limit of {limit_bytes / 2**20:.0f} MiB for this kind of file")
    return data


def read_json(path: Path, limit_bytes: int = 8 * 2**20) -> Any:
    """Return the JSON value in `path`. Raises DataError when it is not JSON, UnsafeFileError over the limit."""
    data = read_capped(path, limit_bytes)
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error}); restore it or write it again") from error


def sha256_bytes(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of the file `path` in hexadecimal, read in pieces. Raises DataError when unreadable."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while piece := handle.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    return digest.hexdigest()


def sweep_temporaries(folder: Path) -> None:
    """Remove what killed writers left in `folder`; a file whose writer still runs stays."""
    for stale in folder.glob(f"{_TEMP_PREFIX}*"):
        owner = stale.name[len(_TEMP_PREFIX) :].split("-", 1)[0]
        if not (owner.isdecimal() and _is_running(int(owner))):
            if stale.is_dir() and not stale.is_symlink():
                _remove_tree(stale)
            else:
                with contextlib.suppress(OSError):
                    stale.unlink()


def _remove_tree(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _refuse_constant(text: str) -> None:
    # JSON has no NaN, and write_json would not write back what was read.
    raise ValueError(f"{text} is no number")


def _temporary_beside(path: Path) -> Path:
    # The name carries the writer's process, so that a sweep never takes a live writer's file, and not the file's own
    # name, which may be as long as a name can be.
    return path.parent / f"{_TEMP_PREFIX}{os.getpid()}-{os.urandom(8).hex()}"


def _exchange(staged: Path, target: Path) -> None:
    """Let two folders change places in one step; the old one is then where the new one was."""
    if sys.platform == "linux":
        rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if rename is not None:
            names = os.fsencode(staged), os.fsencode(target)
            if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
                return
    # Elsewhere, and on file systems without an exchange, there is a moment at which neither is in place. No sweep
    # takes the old one, should the process be killed then.
    old = target.with_name(f"{target.name}.old-{os.urandom(4).hex()}")
    target.rename(old)
    try:
        staged.rename(target)
    except OSError:
        old.rename(target)
        raise
    old.rename(staged)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    # A rename is durable only once its folder is synced; some file systems refuse to, which loses nothing else.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _output_error(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        reason = "a file is in the way"
    return OutputError(f"{path}: cannot be written ({reason}); choose another place or free some space")
