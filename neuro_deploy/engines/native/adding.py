"""Compiled loops that add up what arrives: sums of several products, what relays send, weights of those that spike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.engines.native.llvm import next_job
from neuro_deploy.numerics.compiling import compiled, inner, outer

Array = npt.NDArray[Any]


@compiled(inline="always")
def block_of(values: Array, part: slice, neurons: int) -> Array:
    """A block's part of values: (neurons,), or for one block if all blocks have the same."""
    return values[part] if values.size == neurons else values[: part.stop - part.start]


@inner
def _put(total: Array, x: Array, factor: Array, starts: bool) -> None:
    if starts:
        for i in range(total.size):
            total[i] = np.floor(total.dtype.type(x[i]) * factor[i])
    else:
        for i in range(total.size):
            total[i] += np.floor(total.dtype.type(x[i]) * factor[i])


@outer
def add_up(
    first: int, last: int, total: Array, start: int, stop: int, sums: Array, factor: Array, starts: bool
) -> None:
    """``total[..., start:stop] = floor(factor sums)``, or added to it, in rows first to last - 1.

    total: (rows, positions, channels), float32 or float64. sums: (rows or fewer, positions, stop - start), whole; row r
    of total takes row r * len(sums) // rows. factor: (positions, stop - start), of total's type.
    """
    rows, positions, _ = total.shape
    for row in range(first, last):
        source = row * sums.shape[0] // rows
        for position in range(positions):
            _put(total[row, position, start:stop], sums[source, position], factor[position], starts)


@inner
def send(total: Array, x: Array, factor: Array, bias: Array, counts: Array) -> None:
    """``total = floor(factor x) + bias``, and counts what is not 0."""
    for i in range(total.size):
        total[i] = np.floor(total.dtype.type(x[i]) * factor[i]) + bias[i]
        counts[i] += np.uint8(total[i] != 0)


@outer
def relay(
    turn: Array, jobs: int, width: int, arriving: Array, factor: Array, bias: Array, total: Array, counts: Array
) -> None:
    """``total = floor(factor arriving) + bias``, and counts what is not 0: what relays send.

    arriving, total: (samples, T or 1, neurons), may be the same. factor, bias: (neurons,), of total's type. counts: (T
    or 1, neurons), uint8.
    """
    samples, steps, neurons = total.shape
    block = next_job(turn)
    while block < jobs:
        part = slice(block * width, min(neurons, (block + 1) * width))
        for s in range(samples):
            for t in range(steps):
                a, b = block_of(factor, part, neurons), block_of(bias, part, neurons)
                send(total[s, t, part], arriving[s, t, part], a, b, counts[t, part])
        block = next_job(turn)


@outer
def together(apart: Array, counts: Array, anew: bool) -> None:
    """Add up what threads counted, (threads, T, neurons), in counts, (T, neurons); anew: these hold anything before."""
    several, rows, _ = apart.shape
    for row in range(rows):
        if anew:
            counts[row] = 0
        for one in range(several):
            _add_row(counts[row], apart[one, row])


@inner
def _add_row(total: Array, row: Array) -> None:
    for i in range(total.size):
        total[i] += row[i]


@outer
def gather(first: int, last: int, values: Array, weight: Array, out: Array) -> None:
    """Sums of the weights of those that spike, rows first to last - 1: few spikes, few additions.

    out: (rows, targets), int32. values: (rows, sources), 0 or 1. weight: (sources, targets), int16.
    """
    for row in range(first, last):
        total = out[row]
        total[:] = 0
        for source in range(values.shape[1]):
            if values[row, source]:
                _add_row(total, weight[source])
