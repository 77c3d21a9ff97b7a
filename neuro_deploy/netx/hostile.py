"""Reading HDF5 files from strangers: nothing outside the file, no objects, sizes checked before memory is taken."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neuro_deploy.errors import FormatError, NeuroDeployError, RangeError
from neuro_deploy.files import MEMORY_BUDGET, existing_file
from neuro_deploy.netx.heaps import broken_heap
from neuro_deploy.netx.schema import MAX_CHUNK_BYTES, MAX_CHUNKS, MAX_ELEMENTS, Field
from neuro_deploy.numerics.registers import IntArray

_FILTERS = {h5py.h5z.FILTER_DEFLATE: "deflate", h5py.h5z.FILTER_SHUFFLE: "shuffle", h5py.h5z.FILTER_FLETCHER32: "sum"}
_SLACK = 1_024
"""Bytes that a chunk may be stored in beyond its size: checksums, and deflate on numbers that do not shrink."""
_OPEN_GROUPS = 64
"""Groups that are kept open for the next look into them."""


@contextmanager
def opened(path: str | Path) -> Iterator[SafeFile]:
    """Open an HDF5 file for reading.

    Raises:
        FileError: nothing there.
        FormatError: not HDF5, truncated, or broken inside.
    """
    path = existing_file(path)
    try:
        file = h5py.File(path, "r")
    except Exception as error:  # h5py raises many kinds on broken bytes
        checkpoint = zipfile.is_zipfile(path)
        raise FormatError(
            "not a readable HDF5 file: empty, truncated or of another type",
            where=str(path),
            hint="if it is a checkpoint: neuro-deploy convert it first" if checkpoint else "give a .net file of NetX",
        ) from error
    with file:
        yield SafeFile(file, str(path))


class SafeFile:
    """Reads datasets by path and names the file and the HDF5 path in every refusal.

    All that is read adds up to at most MEMORY_BUDGET bytes, at 8 bytes or more for a number.
    """

    def __init__(self, file: h5py.File, path: str) -> None:
        self._file = file
        self._path = path
        self._claimed = 0
        self._heaps_checked = False
        self._groups: dict[str, h5py.Group] = {}

    def where(self, path: str) -> str:
        """``file:/path``, for messages."""
        return f"{self._path}:/{path}"

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        """Give every error of h5py on broken bytes the tool's form."""
        try:
            yield
        except NeuroDeployError:
            raise
        except Exception as error:  # h5py raises many kinds on broken bytes
            raise FormatError(
                f"cannot be read: {type(error).__name__}: {' '.join(str(error).split())}", where=self.where(path)
            ) from error

    def claim(self, count: int, path: str) -> None:
        """Take bytes from the budget.

        Raises:
            FormatError: more than is left.
        """
        self._claimed += count
        if self._claimed > MEMORY_BUDGET:
            raise FormatError(
                f"makes the file take {self._claimed:,} bytes unpacked, at most {MEMORY_BUDGET:,} are allowed",
                where=self.where(path),
            )

    def has(self, path: str) -> bool:
        """Whether something is there, reached without leaving the file."""
        with self._reading(path):
            return self._found(path) is not None

    def _found(self, path: str) -> Any:
        """The group or dataset at a path; None where nothing is there.

        Raises:
            FormatError: a link on the way.
        """
        parent, _, name = path.rpartition("/")
        if path in self._groups:
            return self._groups[path]
        group = self._found(parent) if parent else self._file
        if not isinstance(group, h5py.Group) or name not in group:
            return None
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise FormatError("is a link, which is not followed", where=self.where(path))
        found = group[name]
        if isinstance(found, h5py.Group):
            if len(self._groups) >= _OPEN_GROUPS:
                self._groups.clear()
            self._groups[path] = found
        return found

    def names(self, path: str, limit: int | None = None) -> list[str]:
        """Names in a group, the root's for an empty path; empty where the group is not there.

        Raises:
            FormatError: a dataset, or more names than the limit.
        """
        with self._reading(path):
            group = self._found(path) if path else self._file
            if group is None:
                return []
            if not isinstance(group, h5py.Group):
                raise FormatError("is a dataset, a group is wanted", where=self.where(path))
            if limit is not None and len(group) > limit:
                raise FormatError(f"holds {len(group):,} names, at most {limit:,} are allowed", where=self.where(path))
            names = list(group)
            strange = next((name for name in names if not isinstance(name, str)), None)
            if strange is not None:
                raise FormatError(f"holds {strange!r}, a name that is no text", where=self.where(path))
            return names

    def attribute(self, name: str) -> str | int | None:
        """A text or a whole number at the root; None where it is not there.

        Raises:
            FormatError: of another type, or an array.
        """
        path = f"@{name}"
        with self._reading(path):
            if name not in self._file.attrs:
                return None
            attribute = self._file.attrs.get_id(name)
            text = self._is_text(attribute.dtype)
            if attribute.shape != () or not (text or attribute.dtype.kind in "iu"):
                raise FormatError(
                    f"holds {attribute.dtype} of shape {attribute.shape}; one text or whole number is wanted",
                    where=self.where(path),
                )
            value = self._file.attrs[name]
            if not text:
                return int(value)
            return value.decode("utf-8") if isinstance(value, bytes) else str(value)

    def _is_text(self, dtype: np.dtype[Any]) -> bool:
        """Whether it is a text. One of variable length lies in a heap, and all heaps are checked before.

        Raises:
            FormatError: a heap that the HDF5 library would not come out of.
        """
        text = h5py.check_string_dtype(dtype)
        if text is not None and text.length is None and not self._heaps_checked:
            lengths = self._file.id.get_create_plist().get_sizes()[1]
            broken = broken_heap(self._path) if lengths == 8 else 0
            if broken is not None:
                raise FormatError(f"has a broken heap of texts at byte {broken:,}", where=self._path)
            self._heaps_checked = True
        return text is not None

    def _dataset(self, path: str) -> h5py.Dataset:
        dataset = self._found(path)
        if dataset is None:
            raise FormatError("is missing", where=self.where(path))
        if not isinstance(dataset, h5py.Dataset):
            raise FormatError("is a group, a dataset is wanted", where=self.where(path))
        if dataset.external or dataset.is_virtual:
            raise FormatError("keeps its data in another file, which is not opened", where=self.where(path))
        if dataset.shape is None or dataset.size > MAX_ELEMENTS:
            raise FormatError(
                f"has {dataset.size or 0:,} numbers, 1 to {MAX_ELEMENTS:,} are allowed", where=self.where(path)
            )
        return dataset

    def _check_storage(self, dataset: h5py.Dataset, path: str) -> None:
        """Refuse filters other than h5py's own, and chunks that would unpack to far more than they say."""
        stored = dataset.id.get_create_plist()
        filters = [stored.get_filter(index)[0] for index in range(stored.get_nfilters())]
        if not set(filters) <= set(_FILTERS):
            raise FormatError(f"is packed by filters {filters}; deflate and shuffle are read", where=self.where(path))
        if dataset.chunks is None:
            return
        size = math.prod(dataset.chunks) * dataset.dtype.itemsize
        count = math.prod(-(-n // chunk) for n, chunk in zip(dataset.shape, dataset.chunks, strict=True))
        if size > MAX_CHUNK_BYTES or count > MAX_CHUNKS:
            raise FormatError(
                f"is cut into {count:,} chunks of {size:,} bytes, at most {MAX_CHUNKS:,} of {MAX_CHUNK_BYTES:,} are "
                "allowed",
                where=self.where(path),
            )
        largest = max((dataset.id.get_chunk_info(i).size for i in range(dataset.id.get_num_chunks())), default=0)
        if largest > size + _SLACK:
            raise FormatError(f"has a chunk of {size:,} bytes stored in {largest:,}", where=self.where(path))

    def declared(self, path: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and dtype of a dataset, before anything of it is read.

        Raises:
            FormatError: missing, a group, or too large.
        """
        with self._reading(path):
            dataset = self._dataset(path)
            return tuple(dataset.shape), dataset.dtype

    def numbers(self, path: str) -> np.ndarray:
        """A dataset of plain numbers.

        Raises:
            FormatError: missing, a group, other types, too large, empty, or NaN.
        """
        with self._reading(path):
            dataset = self._dataset(path)
            if dataset.dtype.kind not in "iufb":
                raise FormatError(f"holds {dataset.dtype}, numbers are wanted", where=self.where(path))
            if dataset.size == 0:
                raise FormatError(f"is empty (shape {dataset.shape})", where=self.where(path))
            self.claim(dataset.size * max(dataset.dtype.itemsize, 8), path)
            self._check_storage(dataset, path)
            values = np.asarray(dataset[()])
        if values.dtype.kind == "f" and not np.all(np.isfinite(values)):
            raise FormatError("holds NaN or infinity", where=self.where(path))
        return values

    def field(self, layer: str, field: Field) -> IntArray:
        """A dataset that must fit its register, or its default.

        Fractions are cut off, as the stock reader does, unless the field wants whole numbers.

        Raises:
            FormatError: missing without a default, or beyond the register.
        """
        path = f"{layer}/{field.path}"
        if field.default is not None and not self.has(path):
            return np.asarray(field.default)
        values = self.numbers(path).astype(np.float64)
        try:
            return field.register.check(values if field.whole else np.trunc(values), self.where(path))
        except RangeError as error:
            raise FormatError(error.what, where=error.where, hint="the file is broken or not NetX") from error

    def text(self, path: str) -> str:
        """A dataset of one ASCII or UTF-8 string.

        Raises:
            FormatError: missing or not text.
        """
        with self._reading(path):
            dataset = self._dataset(path)
            if not self._is_text(dataset.dtype) or dataset.size != 1:
                raise FormatError("holds no text", where=self.where(path))
            self.claim(dataset.dtype.itemsize, path)
            self._check_storage(dataset, path)
            value = dataset[()]
            value = value.flat[0] if isinstance(value, np.ndarray) else value
            try:
                return bytes(value).decode("utf-8")
            except UnicodeDecodeError as error:
                raise FormatError("holds bytes that are not text", where=self.where(path)) from error
