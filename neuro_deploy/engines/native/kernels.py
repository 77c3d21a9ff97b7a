"""Compiled loops of the native engine. All whole numbers in floating point, exact by the bounds that callers prove.

The decay ``sgn(x) * ((|x| * k) >> 12)``: with ``h = trunc(x / 4096)`` it is ``h k + trunc((x - 4096 h) k / 4096)``. In
float32 every number on the way stays below 2^24 for \\|x\\| <= 2^23 and k <= 4096, so each is exact.

Outer loops take a range of jobs, so that several threads can share them, and let go of the interpreter's lock. Inner
loops are functions of their own that are not inlined: so the compiler sees plain arrays and vectorizes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from neuro_deploy.numerics.registers import ACTIVATION_SHIFT, STATE_LIMIT

Array = npt.NDArray[Any]
BLOCK = 1024
"""Neurons that go through their timesteps together, at most: their states stay in a core's first cache."""
TOP, END, WRAP = np.float64(STATE_LIMIT), np.float64(STATE_LIMIT - 1), np.float64(2 * STATE_LIMIT)
F32 = np.float32
UNIT32, UNIT64 = np.float32(1 << ACTIVATION_SHIFT), np.float64(1 << ACTIVATION_SHIFT)
LOW, ONE_STEP = np.float32(1 / 4096), np.float32(4096)
_inner = njit(cache=True, error_model="numpy", inline="never")
_outer = njit(cache=True, error_model="numpy", nogil=True)


@_inner
def _decay32(x: Array, k: Array) -> None:
    for i in range(x.size):
        h = np.trunc(x[i] * LOW)
        x[i] = h * k[i] + np.trunc((x[i] - ONE_STEP * h) * (k[i] * LOW))


@_inner
def _charge32(u: Array, x: Array, factor: Array) -> None:
    for i in range(u.size):
        u[i] += np.floor(F32(x[i]) * factor[i]) * UNIT32


@_inner
def _arrive32(u: Array, x: Array, factor: Array) -> None:
    for i in range(u.size):
        u[i] = np.floor(F32(x[i]) * factor[i]) * UNIT32


@_inner
def _fire32(v: Array, k: Array, u: Array, bias: Array, threshold: Array, spikes: Array, counts: Array) -> None:
    """Any decay of v."""
    for i in range(v.size):
        h = np.trunc(v[i] * LOW)
        new = h * k[i] + np.trunc((v[i] - ONE_STEP * h) * (k[i] * LOW)) + u[i] + bias[i]
        fires = new > threshold[i]
        v[i] = F32(0) if fires else new
        spikes[i] = np.uint8(fires)
        counts[i] += np.uint8(fires)


@_inner
def _fire_short32(
    v: Array, share: Array, x: Array, factor: Array, bias: Array, threshold: Array, spikes: Array, counts: Array
) -> None:
    """No decay left in u, and a decay of v whose product with it is exact as it is: share = k / 4096."""
    for i in range(v.size):
        new = np.trunc(v[i] * share[i]) + np.floor(F32(x[i]) * factor[i]) * UNIT32 + bias[i]
        fires = new > threshold[i]
        v[i] = F32(0) if fires else new
        spikes[i] = np.uint8(fires)
        counts[i] += np.uint8(fires)


@_inner
def _step64(
    u: Array, v: Array, x: Array, factor: Array, ku: Array, kv: Array, bias: Array, threshold: Array, spikes: Array,
    counts: Array,
) -> None:  # fmt: skip
    """Any neuron, with wrap and clip."""
    for i in range(v.size):
        new_u = np.trunc(u[i] * ku[i]) + np.floor(np.float64(x[i]) * factor[i]) * UNIT64
        new_u = new_u - WRAP if new_u > TOP else new_u
        new_u = new_u + WRAP if new_u <= -TOP else new_u
        new = np.trunc(v[i] * kv[i]) + new_u + bias[i]
        new = min(max(new, -END), END)
        fires = new > threshold[i]
        u[i] = new_u
        v[i] = 0.0 if fires else new
        spikes[i] = np.uint8(fires)
        counts[i] += np.uint8(fires)


@_outer
def lif32(
    first: int,
    last: int,
    width: int,
    arriving: Array,
    factor: Array,
    bias: Array,
    threshold: Array,
    ku: Array,
    kv: Array,
    leaky: bool,
    short: bool,
    fresh: bool,
    u: Array,
    v: Array,
    spikes: Array,
    counts: Array,
    kept_u: Array,
    kept_v: Array,
) -> None:
    """All timesteps of the blocks first to last - 1 of neurons whose states neither wrap nor clip.

    width: neurons in a block. arriving: (samples, T or 1, neurons), whole numbers of any type; a_in is ``floor(factor
    arriving)``. factor, threshold: (neurons,). bias: (samples or 1, T or 1, neurons). ku, kv: (neurons,), what the
    decays leave, of 4096; with short, kv is that divided by 4096. fresh: states are 0 before. u, v: (samples, neurons),
    states before and after. spikes: (samples, T, neurons), uint8, out. counts: (T, neurons), uint8, added to. kept_u,
    kept_v: like spikes, float32, or with no samples. All else float32.
    """
    samples, steps, neurons = spikes.shape
    for block in range(first, last):
        part = slice(block * width, min(neurons, (block + 1) * width))
        for s in range(samples):
            if fresh:
                u[s, part] = 0
                v[s, part] = 0
            for t in range(steps):
                x = arriving[s, min(t, arriving.shape[1] - 1), part]
                b = bias[min(s, bias.shape[0] - 1), min(t, bias.shape[1] - 1), part]
                fired, counted = spikes[s, t, part], counts[t, part]
                if short:
                    _fire_short32(v[s, part], kv[part], x, factor[part], b, threshold[part], fired, counted)
                    if kept_u.shape[0]:
                        _arrive32(u[s, part], x, factor[part])
                else:
                    if leaky:
                        _decay32(u[s, part], ku[part])
                        _charge32(u[s, part], x, factor[part])
                    else:
                        _arrive32(u[s, part], x, factor[part])
                    _fire32(v[s, part], kv[part], u[s, part], b, threshold[part], fired, counted)
                if kept_u.shape[0]:
                    kept_u[s, t, part] = u[s, part]
                if kept_v.shape[0]:
                    kept_v[s, t, part] = v[s, part]


@_outer
def lif64(
    first: int,
    last: int,
    width: int,
    arriving: Array,
    factor: Array,
    bias: Array,
    threshold: Array,
    ku: Array,
    kv: Array,
    fresh: bool,
    u: Array,
    v: Array,
    spikes: Array,
    counts: Array,
    kept_u: Array,
    kept_v: Array,
) -> None:
    """As ``lif32``, in float64, with wrap and clip. ku, kv: divided by 4096."""
    samples, steps, neurons = spikes.shape
    for block in range(first, last):
        part = slice(block * width, min(neurons, (block + 1) * width))
        for s in range(samples):
            if fresh:
                u[s, part] = 0
                v[s, part] = 0
            for t in range(steps):
                x = arriving[s, min(t, arriving.shape[1] - 1), part]
                b = bias[min(s, bias.shape[0] - 1), min(t, bias.shape[1] - 1), part]
                fired, counted = spikes[s, t, part], counts[t, part]
                _step64(u[s, part], v[s, part], x, factor[part], ku[part], kv[part], b, threshold[part], fired, counted)
                if kept_u.shape[0]:
                    kept_u[s, t, part] = u[s, part]
                if kept_v.shape[0]:
                    kept_v[s, t, part] = v[s, part]


@_inner
def _put(total: Array, x: Array, factor: Array, starts: bool) -> None:
    if starts:
        for i in range(total.size):
            total[i] = np.floor(total.dtype.type(x[i]) * factor[i])
    else:
        for i in range(total.size):
            total[i] += np.floor(total.dtype.type(x[i]) * factor[i])


@_outer
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


@_inner
def _send(total: Array, x: Array, factor: Array, bias: Array, counts: Array) -> None:
    for i in range(total.size):
        total[i] = np.floor(total.dtype.type(x[i]) * factor[i]) + bias[i]
        counts[i] += np.uint8(total[i] != 0)


@_outer
def relay(
    first: int, last: int, width: int, arriving: Array, factor: Array, bias: Array, total: Array, counts: Array
) -> None:
    """``total = floor(factor arriving) + bias``, and counts what is not 0: what relays send.

    arriving, total: (samples, T or 1, neurons), may be the same. factor, bias: (neurons,), of total's type. counts: (T
    or 1, neurons), uint8.
    """
    samples, steps, neurons = total.shape
    for block in range(first, last):
        part = slice(block * width, min(neurons, (block + 1) * width))
        for s in range(samples):
            for t in range(steps):
                _send(total[s, t, part], arriving[s, t, part], factor[part], bias[part], counts[t, part])


@_outer
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


@_inner
def _add_row(total: Array, row: Array) -> None:
    for i in range(total.size):
        total[i] += row[i]


@_outer
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
