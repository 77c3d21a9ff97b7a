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
inner = njit(cache=True, error_model="numpy", inline="never")
outer = njit(cache=True, error_model="numpy", nogil=True)


@njit(cache=True, error_model="numpy", inline="always")
def block_of(values: Array, part: slice, neurons: int) -> Array:
    """A block's part of values: (neurons,), or for one block if all blocks have the same."""
    return values[part] if values.size == neurons else values[: part.stop - part.start]


@inner
def _decay32(x: Array, k: Array) -> None:
    for i in range(x.size):
        h = np.trunc(x[i] * LOW)
        x[i] = h * k[i] + np.trunc((x[i] - ONE_STEP * h) * (k[i] * LOW))


@inner
def _charge32(u: Array, x: Array, factor: Array) -> None:
    for i in range(u.size):
        u[i] += np.floor(F32(x[i]) * factor[i]) * UNIT32


@inner
def _arrive32(u: Array, x: Array, factor: Array) -> None:
    for i in range(u.size):
        u[i] = np.floor(F32(x[i]) * factor[i]) * UNIT32


@inner
def _fire32(v: Array, k: Array, u: Array, bias: Array, threshold: Array, spikes: Array, counts: Array) -> None:
    """Any decay of v."""
    for i in range(v.size):
        h = np.trunc(v[i] * LOW)
        new = h * k[i] + np.trunc((v[i] - ONE_STEP * h) * (k[i] * LOW)) + u[i] + bias[i]
        fires = new > threshold[i]
        v[i] = F32(0) if fires else new
        spikes[i] = np.uint8(fires)
        counts[i] += np.uint8(fires)


@inner
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


@inner
def one_step32(
    s: int, t: int, begin: int, x: Array, factor: Array, bias: Array, threshold: Array, ku: Array, kv: Array,
    leaky: bool, short: bool, u: Array, v: Array, spikes: Array, counts: Array, kept_u: Array, kept_v: Array,
) -> None:  # fmt: skip
    """A timestep of a block of neurons, at which ``floor(factor x)`` arrives; all else as in ``lif32``."""
    part, neurons = slice(begin, begin + x.size), spikes.shape[2]
    b = block_of(bias[min(s, bias.shape[0] - 1), min(t, bias.shape[1] - 1)], part, neurons)
    level, left = block_of(threshold, part, neurons), block_of(kv, part, neurons)
    fired, counted = spikes[s, t, part], counts[t, part]
    if short:
        _fire_short32(v[s, part], left, x, factor, b, level, fired, counted)
        if kept_u.shape[0]:
            _arrive32(u[s, part], x, factor)
    else:
        if leaky:
            _decay32(u[s, part], block_of(ku, part, neurons))
            _charge32(u[s, part], x, factor)
        else:
            _arrive32(u[s, part], x, factor)
        _fire32(v[s, part], left, u[s, part], b, level, fired, counted)
    if kept_u.shape[0]:
        kept_u[s, t, part] = u[s, part]
    if kept_v.shape[0]:
        kept_v[s, t, part] = v[s, part]


@inner
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


@inner
def _two_sums(total: Array, x: Array, factor: Array, extra: Array, extra_factor: Array) -> None:
    for i in range(total.size):
        total[i] = np.floor(F32(x[i]) * factor[i]) + np.floor(F32(extra[i]) * extra_factor[i])


@outer
def lif32(
    first: int,
    last: int,
    width: int,
    arriving: Array,
    factor: Array,
    extra: Array,
    extra_factor: Array,
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

    width: neurons in a block. arriving: (samples, T or 1, neurons), whole numbers of any type. extra: like arriving,
    or no samples; a_in is ``floor(factor arriving) + floor(extra_factor extra)``. factor, extra_factor, threshold:
    (neurons,). bias: (samples or 1, T or 1, neurons). ku, kv: (neurons,), what the decays leave, of 4096; with short,
    kv is that divided by 4096. All of these may hold one block's values, where all blocks have the same. fresh: states
    are 0 before. u, v: (samples, neurons), states before and after. spikes: (samples, T, neurons), uint8, out. counts:
    (T, neurons), uint8, added to. kept_u, kept_v: like spikes, float32, or with no samples. All else float32.
    """
    samples, steps, neurons = spikes.shape
    total, ones = np.empty(width, F32), np.ones(width, F32)
    for block in range(first, last):
        part = slice(block * width, min(neurons, (block + 1) * width))
        size = part.stop - part.start
        a, b = block_of(factor, part, neurons), block_of(extra_factor, part, neurons)
        for s in range(samples):
            if fresh:
                u[s, part] = 0
                v[s, part] = 0
            for t in range(steps):
                x = arriving[s, min(t, arriving.shape[1] - 1), part]
                if extra.shape[0]:
                    _two_sums(total[:size], x, a, extra[s, min(t, extra.shape[1] - 1), part], b)
                    one_step32(
                        s, t, part.start, total[:size], ones[:size], bias, threshold, ku, kv, leaky, short, u, v,
                        spikes, counts, kept_u, kept_v,
                    )  # fmt: skip
                else:
                    one_step32(
                        s, t, part.start, x, a, bias, threshold, ku, kv, leaky, short, u, v, spikes, counts, kept_u,
                        kept_v,
                    )  # fmt: skip


@outer
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
                x, a = arriving[s, min(t, arriving.shape[1] - 1), part], block_of(factor, part, neurons)
                b = block_of(bias[min(s, bias.shape[0] - 1), min(t, bias.shape[1] - 1)], part, neurons)
                level, lu, lv = (
                    block_of(threshold, part, neurons),
                    block_of(ku, part, neurons),
                    block_of(kv, part, neurons),
                )
                fired, counted = spikes[s, t, part], counts[t, part]
                _step64(u[s, part], v[s, part], x, a, lu, lv, b, level, fired, counted)
                if kept_u.shape[0]:
                    kept_u[s, t, part] = u[s, part]
                if kept_v.shape[0]:
                    kept_v[s, t, part] = v[s, part]


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


@inner
def send_sum(
    total: Array, x: Array, factor: Array, extra: Array, extra_factor: Array, bias: Array, counts: Array
) -> None:
    """As ``send``, of two sums."""
    for i in range(total.size):
        other = np.floor(total.dtype.type(extra[i]) * extra_factor[i])
        total[i] = np.floor(total.dtype.type(x[i]) * factor[i]) + other + bias[i]
        counts[i] += np.uint8(total[i] != 0)


@outer
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
                a, b = block_of(factor, part, neurons), block_of(bias, part, neurons)
                send(total[s, t, part], arriving[s, t, part], a, b, counts[t, part])


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
