"""Memory that is used again.

An array of megabytes that is made and dropped costs its pages each time anew: more than what is computed in it.
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

SLACK = 4
"""A free buffer is taken for an array of at least this share of it."""
ROOM = 64
"""Bytes behind every array that may be read, not used."""


def roomy(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """A new array that holds anything, with room behind it."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.empty(size + ROOM, np.uint8)[:size].view(dtype).reshape(shape)


class Buffers:
    """Lends arrays; those given back are lent again."""

    def __init__(self) -> None:
        self._free: list[npt.NDArray[np.uint8]] = []
        self._lent: dict[int, npt.NDArray[np.uint8]] = {}

    def take(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array that holds anything, with room behind it."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        room, best, least = size + ROOM, -1, SLACK * (size + ROOM) + 1
        for i, buffer in enumerate(self._free):
            if room <= buffer.size < least:
                best, least = i, buffer.size
                if least == room:
                    break
        buffer = np.empty(room, np.uint8) if best < 0 else self._free.pop(best)
        self._lent[address_of(buffer)] = buffer
        return buffer[:size].view(dtype).reshape(shape)

    def lend(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """As ``take``; given back by itself when nobody has the array any more."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        buffer = self._lent.pop(address_of(self.take((size,), np.uint8)))
        whole = np.frombuffer(buffer.data, np.uint8, size)  # views of it hold it, and not only what is below it
        weakref.finalize(whole, self._free.append, buffer)
        return whole.view(dtype).reshape(shape)

    def give(self, array: npt.NDArray[Any]) -> None:
        """Give back an array, or any view from its beginning; others are left alone."""
        buffer = self._lent.pop(address_of(array), None)
        if buffer is not None:
            self._free.append(buffer)

    def over(self) -> None:
        """Nobody uses what is lent any more."""
        self._free += self._lent.values()
        self._lent.clear()


def address_of(array: npt.NDArray[Any]) -> int:
    """Of its first number. ``array.ctypes`` makes a circle that holds the array until Python looks for such."""
    data: tuple[int, bool] = array.__array_interface__["data"]
    return data[0]
