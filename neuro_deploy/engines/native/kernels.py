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

from neuro_deploy.numerics.registers import STATE_LIMIT

Array = npt.NDArray[Any]
BLOCK = 1024
"""Neurons that go through their timesteps together, at most: their states stay in a core's first cache."""
TOP, END, WRAP = np.float64(STATE_LIMIT), np.float64(STATE_LIMIT - 1), np.float64(2 * STATE_LIMIT)
F32 = np.float32
LOW, ONE_STEP = np.float32(1 / 4096), np.float32(4096)
_inner = njit(cache=True, error_model="numpy", inline="never")
_outer = njit(cache=True, error_model="numpy", nogil=True)


@_inner
def _decay32(x: Array, k: Array) -> None:
    for i in range(x.size):
        h = np.trunc(x[i] * LOW)
        x[i] = h * k[i] + np.trunc((x[i] - ONE_STEP * h) * (k[i] * LOW))


@_inner
def _charge32(u: Array, x: Array, factor: float) -> None:
    for i in range(u.size):
        u[i] += F32(x[i]) * factor


@_inner
def _arrive32(u: Array, x: Array, factor: float) -> None:
    for i in range(u.size):
        u[i] = F32(x[i]) * factor


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
    v: Array, share: Array, x: Array, factor: float, bias: Array, threshold: Array, spikes: Array, counts: Array
) -> None:
    """No decay left in u, and a decay of v whose product with it is exact as it is: share = k / 4096."""
    for i in range(v.size):
        new = np.trunc(v[i] * share[i]) + F32(x[i]) * factor + bias[i]
        fires = new > threshold[i]
        v[i] = F32(0) if fires else new
        spikes[i] = np.uint8(fires)
        counts[i] += np.uint8(fires)


@_inner
def _step64(
    u: Array, v: Array, x: Array, factor: float, ku: Array, kv: Array, bias: Array, threshold: Array, spikes: Array,
    counts: Array,
) -> None:  # fmt: skip
    """Any neuron, with wrap and clip."""
    for i in range(v.size):
        new_u = np.trunc(u[i] * ku[i]) + np.float64(x[i]) * factor
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
    factor: float,
    bias: Array,
    threshold: Array,
    ku: Array,
    kv: Array,
    leaky: bool,
    short: bool,
    u: Array,
    v: Array,
    spikes: Array,
    counts: Array,
    kept_u: Array,
    kept_v: Array,
) -> None:
    """All timesteps of the blocks first to last - 1 of neurons whose states neither wrap nor clip.

    width: neurons in a block. arriving: (samples, T or 1, neurons), int32 or float32; times factor it is ``a_in << 6``.
    bias: (samples or 1, T or 1, neurons). ku, kv: (neurons,), what the decays leave, of 4096; with short, kv is that
    divided by 4096.
    u, v: (samples, neurons), states before and after. spikes: (samples, T, neurons), uint8, out. counts: (T, neurons),
    uint8, added to. kept_u, kept_v: like spikes, float32, or with no samples. All else float32.
    """
    samples, steps, neurons = spikes.shape
    for block in range(first, last):
        part = slice(block * width, min(neurons, (block + 1) * width))
        for s in range(samples):
            for t in range(steps):
                x = arriving[s, min(t, arriving.shape[1] - 1), part]
                b = bias[min(s, bias.shape[0] - 1), min(t, bias.shape[1] - 1), part]
                if short:
                    _fire_short32(
                        v[s, part], kv[part], x, factor, b, threshold[part], spikes[s, t, part], counts[t, part]
                    )
                    if kept_u.shape[0]:
                        _arrive32(u[s, part], x, factor)
                else:
                    if leaky:
                        _decay32(u[s, part], ku[part])
                        _charge32(u[s, part], x, factor)
                    else:
                        _arrive32(u[s, part], x, factor)
                    _fire32(v[s, part], kv[part], u[s, part], b, threshold[part], spikes[s, t, part], counts[t, part])
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
    factor: float,
    bias: Array,
    threshold: Array,
    ku: Array,
    kv: Array,
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
            for t in range(steps):
                x = arriving[s, min(t, arriving.shape[1] - 1), part]
                b = bias[min(s, bias.shape[0] - 1), min(t, bias.shape[1] - 1), part]
                _step64(
                    u[s, part],
                    v[s, part],
                    x,
                    factor,
                    ku[part],
                    kv[part],
                    b,
                    threshold[part],
                    spikes[s, t, part],
                    counts[t, part],
                )
                if kept_u.shape[0]:
                    kept_u[s, t, part] = u[s, part]
                if kept_v.shape[0]:
                    kept_v[s, t, part] = v[s, part]


@_inner
def _put(total: Array, x: Array, factor: float, starts: bool) -> None:
    if starts:
        for i in range(total.size):
            total[i] = total.dtype.type(x[i]) * factor
    else:
        for i in range(total.size):
            total[i] += total.dtype.type(x[i]) * factor


@_inner
def _put_floored(total: Array, x: Array, factor: float, starts: bool) -> None:
    if starts:
        for i in range(total.size):
            total[i] = np.floor(total.dtype.type(x[i]) * factor)
    else:
        for i in range(total.size):
            total[i] += np.floor(total.dtype.type(x[i]) * factor)


@_inner
def _put_each(total: Array, x: Array, factor: Array, starts: bool) -> None:
    """A factor for each, and rounded down."""
    if starts:
        for i in range(total.size):
            total[i] = np.floor(total.dtype.type(x[i]) * factor[i])
    else:
        for i in range(total.size):
            total[i] += np.floor(total.dtype.type(x[i]) * factor[i])


@_outer
def add_up(
    first: int,
    last: int,
    total: Array,
    start: int,
    stop: int,
    sums: Array,
    factor: Array,
    floor: bool,
    starts: bool,
) -> None:
    """``total[..., start:stop] = floor(factor sums)``, or added to it, in rows first to last - 1.

    total: (rows, positions, channels), float32 or float64. sums: (rows or fewer, positions, stop - start); row r of
    total takes row r * len(sums) // rows. factor: (1, 1) or (positions, stop - start). Without floor
    all products are whole.
    """
    rows, positions, _ = total.shape
    each, one = factor.shape[1] > 1, factor[0, 0]
    for row in range(first, last):
        source = row * sums.shape[0] // rows
        for position in range(positions):
            out, x = total[row, position, start:stop], sums[source, position]
            if each:
                _put_each(out, x, factor[position], starts)
            elif floor:
                _put_floored(out, x, one, starts)
            else:
                _put(out, x, one, starts)


@_inner
def _finish(total: Array, bias: Array, counts: Array) -> None:
    for i in range(total.size):
        total[i] += bias[i]
        counts[i] += np.uint8(total[i] != 0)


@_outer
def relay(first: int, last: int, width: int, total: Array, bias: Array, counts: Array) -> None:
    """``total += bias``; counts what is not 0. total: (samples, T or 1, neurons). counts: (T, neurons), uint8."""
    samples, steps, neurons = total.shape
    for block in range(first, last):
        part = slice(block * width, min(neurons, (block + 1) * width))
        for s in range(samples):
            for t in range(steps):
                _finish(total[s, t, part], bias[part], counts[t, part])


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
