"""Writing files whole or not at all, and reading strangers' archives without trusting their sizes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from neuro_deploy.errors import FileError, FormatError

MEMORY_BUDGET = 8 * 2**30
"""Bytes that one input file may claim once unpacked. Files that claim more are refused before memory is taken."""
Kind = Literal["NetX file", "checkpoint", ".npz file", "JSON file", "hardware profile"]
"""What this tool writes, and so may overwrite."""
_STARTS: dict[Kind, bytes] = {"NetX file": b"\x89HDF\r\n\x1a\n", "JSON file": b"{", "hardware profile": b"# neuro-"}
_MEMBERS: dict[Kind, str] = {"checkpoint": "/data.pkl", ".npz file": ".npy"}
"""How the names end in archives of torch and of numpy."""
_HINTS = {
    errno.ENOSPC: "the disk is full: free some space, or name a place on another one",
    errno.EDQUOT: "your share of the disk is used up: free some space, or name a place on another one",
    errno.EROFS: "the disk may only be read: name a place on another one",
    errno.EACCES: "name another place, or allow yourself to write there (chmod u+w)",
    errno.ENOENT: "no files can be made there: name another place",
}


def existing_file(path: str | Path) -> Path:
    """The path, if a file is there that can be read.

    Raises:
        FileError: nothing is there, or a folder is, or a device or pipe, or it may not be read.
    """
    path = Path(path)
    with _named(path, "cannot be read"):
        if path.is_dir():
            raise FileError("is a folder, a file is wanted", where=str(path))
        if not path.exists():
            hint = "check the path; it is relative to the folder you are in"
            raise FileError("no such file", where=str(path), hint=hint)
        if not path.is_file():
            hint = "save what it gives in a file first; devices and pipes may have no end"
            raise FileError("is no regular file", where=str(path), hint=hint)
        if not os.access(path, os.R_OK):
            raise FileError("may not be read", where=str(path), hint=f"chmod u+r {path}")
    return path


def check_writable(path: str | Path, *, source: str | Path | None = None, kind: Kind | None = None) -> Path:
    """Say before long work, not after it, that a file cannot be written. Returns the path behind symbolic links.

    source: what it is made from. kind: what will be written; a file of another kind in its place is not overwritten.

    Raises:
        FileError: something else than a file is in the way, or a file of another kind; its folder is missing or takes
            no files; or it would overwrite its source.
    """
    path, end = Path(path), Path(os.path.realpath(path))
    with _writing(path):
        found = _there(end)
        if found is not None and stat.S_ISDIR(found.st_mode):
            raise FileError("is a folder, a file name is wanted", where=str(path), hint="name a file in it")
        if found is not None and not stat.S_ISREG(found.st_mode):
            hint = "name another output; devices and pipes take no whole files"
            raise FileError("is there already and is no regular file", where=str(path), hint=hint)
        if not end.parent.is_dir():
            raise FileError("no such folder", where=str(end.parent), hint=f"mkdir -p {end.parent}")
        if source is not None and found is not None and end.samefile(source):
            raise FileError("is the source itself, which would be lost", where=str(path), hint="name another output")
        if found is not None and kind is not None and not _may_replace(end, kind):
            hint = "name another output, or remove that file first"
            raise FileError(f"is there already and is no {kind}, it is not overwritten", where=str(path), hint=hint)
        _try_folder(end.parent)
    return end


def _there(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _may_replace(path: Path, kind: Kind) -> bool:
    """Whether a file is empty or of this kind."""
    with path.open("rb") as handle:
        start = handle.read(8)
    if not start or kind not in _MEMBERS:
        return not start or start.startswith(_STARTS[kind])
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(_MEMBERS[kind]) for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError):
        return False


def _try_folder(folder: Path) -> None:
    """Make a file without a name: rights, a disk that is read-only, and folders that are no folders of a disk."""
    with tempfile.TemporaryFile(dir=folder):
        pass


@contextmanager
def _named(path: Path, what: str) -> Iterator[None]:
    """Give errors of the operating system the tool's form."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{what}: {error.strerror or error}", where=str(path)) from error


@contextmanager
def _writing(path: Path, what: str = "cannot be written") -> Iterator[None]:
    """The same for what is written, and what to do about it."""
    try:
        yield
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, "name another place")
        raise FileError(f"{what}: {error.strerror or error}", where=str(path), hint=hint) from error


def write_bytes(path: str | Path, content: bytes | memoryview, kind: Kind) -> None:
    """Write a file whole or not at all: a temporary one beside it is synced and takes its place.

    What makes the content should do so in memory: libraries differ in what they do on a full disk.

    Raises:
        FileError: as ``check_writable``; or the disk is full.
    """
    with _written(Path(path), content, kind) as put:
        put()


def write_folder(folder: str | Path, contents: Mapping[str, tuple[bytes | memoryview, Kind]]) -> None:
    """Write some files of a folder, name -> (content, kind), all of them or none; the folder is made.

    Raises:
        FileError: as ``make_folder`` and ``write_bytes``.
    """
    folder = make_folder(folder)
    with ExitStack() as stack:
        puts = [stack.enter_context(_written(folder / name, *content)) for name, content in contents.items()]
        for put in puts:
            put()


@contextmanager
def _written(path: Path, content: bytes | memoryview, kind: Kind) -> Iterator[Callable[[], None]]:
    """A synced temporary file beside a path; what is yielded puts it in its place."""
    end = check_writable(path, kind=kind)
    temporary = end.with_name(f".neuro-deploy-{uuid.uuid4().hex}.tmp")

    def put() -> None:
        with _writing(path):
            temporary.replace(end)

    try:
        with _writing(path), temporary.open("xb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        yield put
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_folder(path: str | Path) -> None:
    """Say before long work that a folder cannot be made or written to.

    Raises:
        FileError: a file is in the way, or writing is not allowed.
    """
    if str(path) == "":
        raise FileError("no name of a folder", hint="name one; . is the folder you are in")
    path = Path(path)
    with _writing(path, "cannot take files"):
        there = next(folder for folder in (path, *path.absolute().parents) if _there(folder))
        if not there.is_dir():
            raise FileError("is a file, a folder is wanted", where=str(there))
        _try_folder(there)


def make_folder(path: str | Path) -> Path:
    """Make a folder and its parents.

    Raises:
        FileError: a file is in the way, or writing is not allowed.
    """
    path = Path(path)
    with _writing(path, "cannot be made a folder"):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write_json(path: str | Path, value: Any) -> None:
    """Write plain data as indented JSON, whole or not at all."""
    write_bytes(path, json_bytes(value), "JSON file")


def json_bytes(value: Any) -> bytes:
    """Plain data as indented JSON."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def check_archive(path: Path, what: str) -> None:
    """Refuse a zip archive that is broken or would unpack to more than MEMORY_BUDGET.

    Raises:
        FormatError: not a zip archive, truncated, or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            claimed = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        hint = "it is an HDF5 file, perhaps NetX already" if _starts_as_hdf5(path) else None
        where = str(path)
        raise FormatError(
            f"not a readable {what}: empty, truncated or of another type", where=where, hint=hint
        ) from error
    if claimed > MEMORY_BUDGET:
        raise FormatError(
            f"would unpack to {claimed:,} bytes, at most {MEMORY_BUDGET:,} are allowed",
            where=str(path),
            hint="split it into smaller files",
        )


def _starts_as_hdf5(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(4) == b"\x89HDF"


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz`` file. Pickled objects are refused; each array's claimed size is checked first.

    Raises:
        FormatError: broken, too large, or not plain arrays.
    """
    check_archive(path, ".npz file")
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as handle:
                    _check_npy_header(handle, entry, path)
        with np.load(path, allow_pickle=False) as bundle:
            for name in bundle.files:
                arrays[name] = bundle[name]
    except FormatError:
        raise
    except Exception as error:  # numpy and zipfile raise many kinds on broken bytes
        raise FormatError(f"not a readable .npz file: {error}", where=str(path)) from error
    return arrays


def _check_npy_header(handle: Any, entry: zipfile.ZipInfo, path: Path) -> None:
    version = np.lib.format.read_magic(handle)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(handle)
    where = f"{path}:{entry.filename.removesuffix('.npy')}"
    if dtype.hasobject:
        raise FormatError("holds Python objects, only plain numbers are read", where=where)
    if int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize > entry.file_size:
        raise FormatError(f"claims shape {shape}, which its {entry.file_size:,} bytes do not hold", where=where)
