"""Compiling loops on the user's machine, and keeping them for later processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compiles a function when it is first called, and keeps that for later processes where there is a place for it."""

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            made = njit(cache=True, error_model="numpy", **options)(function)
            made._cache._cache_file._source_stamp = _stamp(Path(function.__code__.co_filename).parent)
            return made
        except (
            RuntimeError,
            AttributeError,
        ):  # another numba; or neither beside the package nor in the user's folder may anything be written
            return njit(error_model="numpy", **options)(function)

    return decorate


@lru_cache
def _stamp(folder: Path) -> str:
    """Of all that compiled code is made from. Numba looks at the one file of a function, and at its date and size."""
    read = sha256()
    for path in sorted(folder.glob("*.py")):
        read.update(path.read_bytes())
    return read.hexdigest()


inner, outer = compiled(inline="never"), compiled(nogil=True)
