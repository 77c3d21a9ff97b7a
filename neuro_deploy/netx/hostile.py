"""Reading HDF5 files from strangers: nothing outside the file, no objects, sizes checked before memory is taken."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neuro_deploy.errors import FormatError, RangeError
from neuro_deploy.files import existing_file
from neuro_deploy.netx.schema import MAX_ELEMENTS, Field
from neuro_deploy.numerics.registers import IntArray


@contextmanager
def opened(path: str | Path) -> Iterator[SafeFile]:
    """Open an HDF5 file for reading.

    Raises:
        FileError: nothing there.
        FormatError: not HDF5, truncated, or broken inside.
    """
    path = existing_file(path)
    try:
        with h5py.File(path, "r") as file:
            yield SafeFile(file, str(path))
    except (OSError, RuntimeError, KeyError) as error:
        checkpoint = zipfile.is_zipfile(path)
        raise FormatError(
            "not a readable HDF5 file: empty, truncated or of another type",
            where=str(path),
            hint="if it is a checkpoint: neuro-deploy convert it first" if checkpoint else "give a .net file of NetX",
        ) from error


class SafeFile:
    """Reads datasets by path and names the file and the HDF5 path in every refusal."""

    def __init__(self, file: h5py.File, path: str) -> None:
        self._file = file
        self._path = path

    def where(self, path: str) -> str:
        """``file:/path``, for messages."""
        return f"{self._path}:/{path}"

    def has(self, path: str) -> bool:
        """Whether something is there, reached without leaving the file."""
        group: Any = self._file
        parts = path.split("/")
        for index, part in enumerate(parts):
            if not isinstance(group, h5py.Group) or part not in group:
                return False
            link = group.get(part, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise FormatError("is a link, which is not followed", where=self.where("/".join(parts[: index + 1])))
            group = group[part]
        return True

    def names(self, path: str) -> list[str]:
        """Names in a group; empty where it is not there."""
        if not self.has(path):
            return []
        if not isinstance(self._file[path], h5py.Group):
            raise FormatError("is a dataset, a group is wanted", where=self.where(path))
        return list(self._file[path])

    def _dataset(self, path: str) -> h5py.Dataset:
        if not self.has(path):
            raise FormatError("is missing", where=self.where(path))
        dataset = self._file[path]
        if not isinstance(dataset, h5py.Dataset):
            raise FormatError("is a group, a dataset is wanted", where=self.where(path))
        if dataset.external or dataset.is_virtual:
            raise FormatError("keeps its data in another file, which is not opened", where=self.where(path))
        if dataset.shape is None or dataset.size > MAX_ELEMENTS:
            raise FormatError(
                f"has {dataset.size or 0:,} numbers, 1 to {MAX_ELEMENTS:,} are allowed", where=self.where(path)
            )
        return dataset

    def numbers(self, path: str) -> np.ndarray:
        """A dataset of plain numbers.

        Raises:
            FormatError: missing, a group, other types, too large, empty, or NaN.
        """
        dataset = self._dataset(path)
        if dataset.dtype.kind not in "iufb":
            raise FormatError(f"holds {dataset.dtype}, numbers are wanted", where=self.where(path))
        if dataset.size == 0:
            raise FormatError(f"is empty (shape {dataset.shape})", where=self.where(path))
        values = np.asarray(dataset[()])
        if values.dtype.kind == "f" and not np.all(np.isfinite(values)):
            raise FormatError("holds NaN or infinity", where=self.where(path))
        return values

    def field(self, layer: str, field: Field) -> IntArray:
        """A dataset that must fit its register, or its default; fractions are cut off, as the stock reader does.

        Raises:
            FormatError: missing without a default, or beyond the register.
        """
        path = f"{layer}/{field.path}"
        if field.default is not None and not self.has(path):
            return np.asarray(field.default)
        try:
            return field.register.check(np.trunc(self.numbers(path).astype(np.float64)), self.where(path))
        except RangeError as error:
            raise FormatError(error.what, where=error.where, hint="the file is broken or not NetX") from error

    def text(self, path: str) -> str:
        """A dataset of one ASCII or UTF-8 string.

        Raises:
            FormatError: missing or not text.
        """
        dataset = self._dataset(path)
        value = dataset[()] if dataset.size == 1 else None
        value = value.flat[0] if isinstance(value, np.ndarray) else value
        if not isinstance(value, bytes):
            raise FormatError("holds no text", where=self.where(path))
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FormatError("holds bytes that are not text", where=self.where(path)) from error
