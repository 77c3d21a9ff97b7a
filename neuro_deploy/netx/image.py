"""HDF5 files made in memory and written as bytes: the HDF5 library crashes where a disk is full."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from neuro_deploy.files import check_writable, write_bytes


@contextmanager
def written(path: str | Path) -> Iterator[h5py.File]:
    """An empty file to fill; on success it is written, whole or not at all, on any failure nothing is.

    Raises:
        FileError: the file cannot be written.
    """
    check_writable(path, kind="NetX file")
    with h5py.File(uuid.uuid4().hex, "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    write_bytes(path, image, "NetX file")
