"""Compiled loops that put spikes in place for products, of images (images, height, width, channels), and count them."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from neuro_deploy.engines.native.llvm import BYTE, INT, LONG, at_address, copy_bytes, next_job, pointer, unaligned
from neuro_deploy.engines.native.vectors import enter8
from neuro_deploy.numerics.compiling import compiled, inner, outer

Array = npt.NDArray[Any]
SOME = 16
"""Positions that are moved together: x86 moves bytes within so many."""


@outer
def windows(
    first: int,
    last: int,
    values: Array,
    rows: int,
    columns: int,
    high: int,
    wide: int,
    stride: Array,
    padding: Array,
    out: Array,
) -> None:
    """What a convolution's kernel meets, rows first to last - 1 of all images.

    out: (images, rows * columns, high * wide * channels).
    values: (images, height, width, channels), one type with out. high, wide: of the kernel. Outside the image stands 0.
    """
    _, height, width, channels = values.shape
    for job in range(first, last):
        image, row = job // rows, job % rows
        for column in range(columns):
            line = out[image, row * columns + column]
            left = column * stride[1] - padding[1]
            place = 0
            for i in range(high):
                y = row * stride[0] + i - padding[0]
                for j in range(wide):
                    x = left + j
                    if 0 <= y < height and 0 <= x < width:
                        line[place : place + channels] = values[image, y, x]
                    else:
                        line[place : place + channels] = 0
                    place += channels


@outer
def pad(first: int, last: int, values: Array, start: int, top: int, left: int, out: Array) -> None:
    """Images first to last - 1 with zeros around them, and only some channels.

    values: (images, height, width, channels), bytes. out: (images, height + 2 top, width + 2 left, fewer channels).
    """
    _, height, width, _ = values.shape
    channels = out.shape[3]
    for image in range(first, last):
        for y in range(out.shape[1]):
            line = out[image, y]
            if top <= y < top + height:
                line[:left] = 0
                line[left + width :] = 0
                every = 1 if channels == values.shape[3] else width
                for x in range(every):
                    source = ((image * height + y - top) * width + x) * values.shape[3] + start
                    to = ((image * out.shape[1] + y) * out.shape[2] + left + x) * channels
                    copy_bytes(pointer(out) + to, pointer(values) + source, width // every * channels)
            else:
                line[:] = 0


def _side_by_side(channels: int) -> Any:
    """SOME positions of so many channels, one after the other. Arguments: addresses; positions between two channels."""

    def code(context: Any, build: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
        source, further, to = arguments
        some = ir.VectorType(BYTE, SOME)
        rows = [
            unaligned(build, at_address(build, build.add(source, build.mul(further, LONG(c))), some))
            for c in range(channels)
        ]
        for part in range(channels):
            taken = []
            for c, row in enumerate(rows):
                places = [divmod(SOME * part + n, channels) for n in range(SOME)]
                order = [position if channel == c else SOME for position, channel in places]
                order = ir.Constant(ir.VectorType(INT, SOME), order)
                taken.append(build.shuffle_vector(row, ir.Constant(some, None), order))
            build.store(reduce(build.or_, taken), at_address(build, to, some, SOME * part)).align = 1
        return context.get_dummy_value()

    return intrinsic(lambda _typing, _source, _further, _to: (types.void(*[types.intp] * 3), code))


_two, _three = _side_by_side(2), _side_by_side(3)


@outer
def enter(first: int, last: int, values: Array, out: Array) -> None:
    """Samples as they come, in the order inside, frames first to last - 1.

    values: (frames, channels, positions), whole. out: (frames, positions, channels), of a type that holds them.
    """
    _, positions, channels = out.shape
    for frame in range(first, last):
        for position in range(positions):
            for channel in range(channels):
                out[frame, position, channel] = values[frame, channel, position]


@outer
def enter_bytes(turn: Array, jobs: int, each: int, values: Array, start: int, out: Array, counts: Array) -> None:
    """``enter`` and ``tally`` in one, of bytes; a job is some timesteps, each.

    values: (samples, T, channels, positions), from timestep start on. out: (samples, timesteps, positions, channels).
    counts: (timesteps, neurons), uint8.
    """
    samples, steps, positions, channels = out.shape
    size = channels * positions
    job = next_job(turn)
    while job < jobs:
        for sample in range(samples):
            for step in range(job * each, min(steps, job * each + each)):
                source = pointer(values) + (sample * values.shape[1] + start + step) * size
                to = pointer(out) + (sample * steps + step) * size
                if channels > 1 and positions > 1:
                    _channels_last(source, to, channels, positions)
                    source = to
                enter8(size, 1, source, to, pointer(counts) + step * size)
        job = next_job(turn)


@compiled(inline="always")
def _channels_last(source: int, to: int, channels: int, positions: int) -> None:
    """(channels, positions) -> (positions, channels), bytes, SOME positions at a time."""
    beyond = positions - positions % SOME
    if channels == 2:
        for position in range(0, beyond, SOME):
            _two(source + position, positions, to + 2 * position)
    elif channels == 3:
        for position in range(0, beyond, SOME):
            _three(source + position, positions, to + 3 * position)
    else:
        beyond = 0
    for channel in range(channels):
        for position in range(beyond, positions):
            copy_bytes(to + position * channels + channel, source + channel * positions + position, 1)


@outer
def tally(first: int, last: int, values: Array, counts: Array) -> None:
    """Add up the values other than 0, over the samples, of timesteps first to last - 1.

    values: (samples, T, neurons). counts: (T, neurons), of a type that holds them.
    """
    for sample in range(len(values)):
        for step in range(first, last):
            _tally(values[sample, step], counts[step])


@inner
def _tally(values: Array, counts: Array) -> None:
    for i in range(len(values)):
        counts[i] += values[i] != 0


@outer
def beside(first: int, last: int, values: Array, start: int, at: int, channels: int, out: Array) -> None:
    """``out[:, at:at + channels] = values[:, start:start + channels]``, of one type, rows first to last - 1."""
    size, bytes_ = out.itemsize, channels * out.itemsize
    for row in range(first, last):
        to, source = pointer(out) + row * out.strides[0], pointer(values) + row * values.strides[0]
        copy_bytes(to + at * size, source + start * size, bytes_)


@outer
def add_rows(first: int, last: int, values: Array, sums: Array) -> None:
    """Sums of rows first to last - 1 of values (rows, n), in the type of sums."""
    for row in range(first, last):
        total = sums.dtype.type(0)
        for i in range(values.shape[1]):
            total += sums.dtype.type(values[row, i])
        sums[row] = total
