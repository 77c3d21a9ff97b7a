"""Checks the heaps of an HDF5 file's texts of variable length before the HDF5 library walks through them.

The library (2.0.0) follows the sizes in a heap without end where one of them is 0 or wraps; it then cannot be
interrupted. Layout: HDF5 file format, "Global Heap": ``GCOL``, version 1, three bytes, size; then objects of index (2
bytes), references (2), four bytes, size, and content, padded to 8 bytes; an object of index 0 is free space.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

SIGNATURE = b"GCOL\x01"
HEADER = 16
"""Bytes of the header of a heap, and of an object, where lengths have 8 bytes."""


def broken_heap(path: str | Path) -> int | None:
    """Where in the file a heap starts whose objects do not add up to its size; None where there is none."""
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return next((start for start in _heaps(content) if not _adds_up(content, start)), None)


def _heaps(content: mmap.mmap) -> Iterator[int]:
    start = content.find(SIGNATURE)
    while start >= 0:
        yield start
        start = content.find(SIGNATURE, start + 1)


def _adds_up(content: mmap.mmap, start: int) -> bool:
    if start + HEADER > len(content):
        return False
    end = start + int(struct.unpack_from("<Q", content, start + 8)[0])
    place = start + HEADER
    if end > len(content):
        return False
    while place + HEADER <= end:
        index, size = struct.unpack_from("<H6xQ", content, place)
        step = HEADER + -(-size // 8) * 8 if index else size
        if step < HEADER:
            return False
        place += step
    return place <= end
