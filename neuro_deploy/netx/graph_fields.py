"""One field of a NetX graph, read and checked against its table: dtype and shape before memory is taken, then range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuro_deploy.errors import FormatError, RangeError
from neuro_deploy.netx.graph_schema import MAX_NAMES, GraphField
from neuro_deploy.netx.hostile import SafeFile
from neuro_deploy.numerics.registers import IntArray


def check_fields(file: SafeFile, group: str, fields: tuple[GraphField, ...]) -> None:
    """Refuse what such a group does not hold: nothing is skipped.

    Raises:
        FormatError: a name that is none of these fields.
    """
    wanted = {field.path for field in fields}
    folders = {path.partition("/")[0] for path in wanted if "/" in path}
    for inner in ("", *sorted(folders)):
        place = f"{group}/{inner}" if inner else group
        for name in file.names(place, limit=MAX_NAMES):
            path = f"{inner}/{name}" if inner else name
            if path not in wanted and path not in folders:
                raise FormatError(f"{path!r} is no field of this type", where=file.where(group))


def values(file: SafeFile, group: str, field: GraphField, sizes: Mapping[str, int] | None = None) -> IntArray:
    """The numbers of a field, int64; its default where it is absent. sizes: of the words in its shapes.

    Raises:
        FormatError: missing, or of another dtype, shape or range.
    """
    path = f"{group}/{field.path}"
    if field.default is not None and not file.has(path):
        return np.asarray(field.default)
    shape, dtype = file.declared(path)
    if dtype.newbyteorder("=") != np.dtype(field.dtype):
        raise FormatError(f"holds {dtype}, {field.dtype} is wanted", where=file.where(path))
    if not field.fits(shape, sizes or {}):
        known = {word: size for word, size in (sizes or {}).items() if any(word in text for text in field.shapes)}
        also = "".join(f"; {word}: {size:,}" for word, size in known.items())
        raise FormatError(f"has shape {shape}; {' or '.join(field.shapes)} is wanted{also}", where=file.where(path))
    try:
        return field.register.check(file.numbers(path), file.where(path))
    except RangeError as error:
        raise FormatError(error.what, where=error.where) from error


def optional(file: SafeFile, group: str, field: GraphField, sizes: Mapping[str, int] | None = None) -> IntArray | None:
    """The numbers of a field that has no default; None where it is absent.

    Raises:
        FormatError: as ``values``.
    """
    return values(file, group, field, sizes) if file.has(f"{group}/{field.path}") else None


def text(file: SafeFile, group: str, field: GraphField) -> Any:
    """The text of a field, one of those allowed.

    Raises:
        FormatError: missing, or another.
    """
    path = f"{group}/{field.path}"
    shape, _ = file.declared(path)
    if not field.fits(shape, {}):
        raise FormatError(f"has shape {shape}; {' or '.join(field.shapes)} is wanted", where=file.where(path))
    found = file.text(path)
    if isinstance(field.values, tuple) and field.values and found not in field.values:
        raise FormatError(f"is {found!r}; one of {field.range()} is wanted", where=file.where(path))
    return found
