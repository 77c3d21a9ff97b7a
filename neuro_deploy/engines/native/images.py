"""Compiled loops that put spikes in place for products, of images (images, height, width, channels), and count them."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from neuro_deploy.engines.native.compiling import inner, outer
from neuro_deploy.engines.native.llvm import copy_bytes, pointer
from neuro_deploy.engines.native.vectors import enter8

Array = npt.NDArray[Any]


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
def enter_rows(first: int, last: int, values: Array, out: Array, counts: Array) -> None:
    """``enter`` and ``tally`` in one, of bytes in the same order inside, timesteps first to last - 1.

    values, out: (samples, T, neurons), bytes. counts: (T, neurons), uint8.
    """
    samples, steps, size = values.shape
    for sample in range(samples):
        for step in range(first, last):
            at = (sample * steps + step) * size
            enter8(size, 1, pointer(values) + at, pointer(out) + at, pointer(counts) + step * size)


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
