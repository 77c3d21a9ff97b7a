"""Sums of rows of bytes for compiled loops: by tiles of products, or by adding up the weights of those that spike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.engines.native.gathering import BLOCK, BLOCKS, FEW, GROUP, USUAL, adder, list_spiking, spiking
from neuro_deploy.engines.native.llvm import pointer
from neuro_deploy.engines.native.tiles import LANES, PANEL, QUAD, ROWS, VECTORS, tile
from neuro_deploy.numerics.compiling import compiled, inner

Array = npt.NDArray[Any]
_one, _two, _three = (tile(min(n, VECTORS)) for n in (1, 2, 3))


def _adder(group: int) -> Any:
    """Sums of a row for so many targets as are left, see ``gathering.adder``."""
    two, three, five, most = (adder(min(n, BLOCKS), group) for n in (2, 3, 5, BLOCKS))

    @compiled(inline="always")
    def add(listed: int, groups: int, weight: int, further: int, out: int, left: int) -> None:
        if left <= 2 * BLOCK:
            two(listed, groups, weight, further, out, left)
        elif left <= 3 * BLOCK:
            three(listed, groups, weight, further, out, left)
        elif left <= 5 * BLOCK:
            five(listed, groups, weight, further, out, left)
        else:
            most(listed, groups, weight, further, out, left)

    return add


_add, _add_groups = _adder(1), _adder(GROUP)


@inner
def panels(
    rows: int, starts: Array, segments: Array, quads: int, weight: Array, first: int, last: int, out: int, wide: int
) -> None:
    """Targets first to last - 1 of rows, in whole tiles. out: address of their sums. wide: targets of a row of it."""
    count = segments.size
    for target in range(first, last, PANEL):
        left = last - target
        panel = pointer(weight) + target * QUAD * quads * count
        for row in range(0, rows, ROWS):
            begin, end = pointer(starts) + 8 * row, out + 4 * (row * wide + target - first)
            if left <= LANES:
                _one(begin, pointer(segments), count, quads, panel, end, wide, left)
            elif left <= 2 * LANES:
                _two(begin, pointer(segments), count, quads, panel, end, wide, left)
            else:
                _three(begin, pointer(segments), count, quads, panel, end, wide, left)


@inner
def few(rows: int, starts: Array, segments: Array, sparse: Array, limit: int) -> bool:
    """Whether so few of the rows' sources spike that their weights are added up sooner than all are multiplied.

    limit: of a row's spikes, so that sums fit in 16 bits.
    """
    sources = sparse.shape[0] - 1
    if sources < 0:
        return False
    spikes, most, each = 0, int(FEW * sources * rows), sources // segments.size
    for row in range(rows):
        mine = 0
        for segment in segments:
            mine += spiking(starts[row] + segment, each)
        spikes += mine
        if spikes > most or mine > limit:
            return False
    return True


@inner
def gather(
    rows: int, starts: Array, segments: Array, sparse: Array, group: int, first: int, last: int, out: int
) -> None:
    """As ``panels``, of rows of which few sources spike.

    group: see ``gathering.grouped``. first: where a block begins.
    """
    sources, further = sparse.shape[0] - 1, sparse.shape[1]
    each, wide, listed = sources // segments.size, last - first, np.empty(sources + USUAL, np.int32)
    for row in range(rows):
        to, spikes = pointer(listed), 0
        for i in range(segments.size):
            spikes += list_spiking(starts[row] + segments[i], each, to + 4 * spikes, i * each)
        groups = -(-spikes // group)
        for i in range(GROUP):
            listed[spikes + i] = sources
        for target in range(first, last, BLOCKS * BLOCK):
            left, weight = last - target, pointer(sparse) + target
            end = out + 4 * (row * wide + target - first)
            if group > 1:
                _add_groups(to, groups, weight, further, end, left)
            else:
                _add(to, spikes, weight, further, end, left)


@inner
def sums(
    rows: int,
    starts: Array,
    segments: Array,
    quads: int,
    weight: Array,
    sparse: Array,
    limit: int,
    group: int,
    first: int,
    last: int,
    out: int,
) -> None:
    """Sums of rows for targets first to last - 1, by whichever way takes less."""
    if few(rows, starts, segments, sparse, limit):
        gather(rows, starts, segments, sparse, group, first, last, out)
    else:
        panels(rows, starts, segments, quads, weight, first, last, out, last - first)


@inner
def begin(starts: Array, source: Array, places: Array, first: int, rows: int, per: int) -> None:
    """Addresses of rows, of which each frame has one a place; the last one is repeated to fill a tile."""
    for i in range(rows):
        frame, place = divmod(first + i, places.size)
        starts[i] = pointer(source) + frame * per + places[place]
    for i in range(rows, -(-rows // ROWS) * ROWS):
        starts[i] = starts[rows - 1]
