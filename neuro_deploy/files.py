"""Writing files whole or not at all, and reading strangers' archives without trusting their sizes."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neuro_deploy.errors import FileError, FormatError

MEMORY_BUDGET = 8 * 2**30
"""Bytes that one input file may claim once unpacked. Files that claim more are refused before memory is taken."""


def existing_file(path: str | Path) -> Path:
    """The path, if a file is there that can be read.

    Raises:
        FileError: nothing is there, or a folder is, or it may not be read.
    """
    path = Path(path)
    with _named(path, "cannot be read"):
        if path.is_dir():
            raise FileError("is a folder, a file is wanted", where=str(path))
        if not path.exists():
            hint = "check the path; it is relative to the folder you are in"
            raise FileError("no such file", where=str(path), hint=hint)
        if not os.access(path, os.R_OK):
            raise FileError("may not be read", where=str(path), hint=f"chmod u+r {path}")
    return path


def check_writable(path: str | Path, *, source: str | Path | None = None) -> None:
    """Say before long work, not after it, that a file cannot be written. source: what it is made from.

    Raises:
        FileError: a folder is in the way or missing, writing is not allowed, or it would overwrite its source.
    """
    path = Path(path)
    with _named(path, "cannot be written"):
        if path.is_dir():
            raise FileError("is a folder, a file name is wanted", where=str(path))
        if not path.parent.is_dir():
            raise FileError("no such folder", where=str(path.parent), hint=f"mkdir -p {path.parent}")
        if not os.access(path.parent, os.W_OK):
            raise FileError("may not be written to", where=str(path.parent), hint=f"chmod u+w {path.parent}")
        if source is not None and path.exists() and path.samefile(source):
            raise FileError("is the source itself, which would be lost", where=str(path), hint="name another output")


@contextmanager
def _named(path: Path, what: str) -> Iterator[None]:
    """Give errors of the operating system the tool's form."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{what}: {error.strerror or error}", where=str(path)) from error


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success sync it and rename it to ``path``, on any failure remove it.

    Raises:
        FileError: as ``check_writable``; or the disk is full.
    """
    check_writable(path)
    path = Path(path)
    temporary = path.with_name(f".neuro-deploy-{uuid.uuid4().hex}.tmp")
    try:
        with _named(path, "cannot be written"):
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
    except RuntimeError as error:  # how torch and h5py name a full disk
        raise FileError(f"cannot be written: {error}", where=str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_folder(path: str | Path) -> None:
    """Say before long work that a folder cannot be made or written to.

    Raises:
        FileError: a file is in the way, or writing is not allowed.
    """
    path = Path(path)
    with _named(path, "cannot be a folder"):
        there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        if not there.is_dir():
            raise FileError("is a file, a folder is wanted", where=str(there))
        if not os.access(there, os.W_OK):
            raise FileError("may not be written to", where=str(there), hint=f"chmod u+w {there}")


def make_folder(path: str | Path) -> Path:
    """Make a folder and its parents.

    Raises:
        FileError: a file is in the way, or writing is not allowed.
    """
    path = Path(path)
    with _named(path, "cannot be made a folder"):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write_json(path: str | Path, value: Any) -> None:
    """Write plain data as indented JSON, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


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
