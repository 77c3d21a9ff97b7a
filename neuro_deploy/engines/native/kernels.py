"""Compiled loops of the native engine. All whole numbers in floating point, exact by the bounds that callers prove.

Outer loops begin with the jobs that are theirs, a range (first, last) or those whose turn it is (turn, jobs), see
``threads.share`` and ``threads.deal``, and let go of the interpreter's lock. Inner loops are functions of their own
that are not inlined: so the compiler sees plain arrays and vectorizes them. Those of float32 are in ``vectors``.

Numba frees an array after the last line that names it, whatever still has its address: addresses are taken anew inside
the loops that use them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from neuro_deploy.engines.native.vectors import fire_leaky, fire_plain, fire_short, next_job, two_sums32
from neuro_deploy.numerics.registers import ACTIVATION_SHIFT, STATE_LIMIT

Array = npt.NDArray[Any]
BLOCK = 1024
"""Neurons that go through their timesteps together, at most: their states stay in a core's first cache."""
TOP, END, WRAP = np.float64(STATE_LIMIT), np.float64(STATE_LIMIT - 1), np.float64(2 * STATE_LIMIT)
F32 = np.float32
UNIT32, UNIT64 = np.float32(1 << ACTIVATION_SHIFT), np.float64(1 << ACTIVATION_SHIFT)


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compiles a function when it is first called, and keeps that for later processes where there is a place for it."""

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return njit(cache=True, error_model="numpy", **options)(function)
        except RuntimeError:  # neither beside the package nor in the user's folder may anything be written
            return njit(error_model="numpy", **options)(function)

    return decorate


inner, outer = compiled(inline="never"), compiled(nogil=True)


@compiled(inline="always")
def block_of(values: Array, part: slice, neurons: int) -> Array:
    """A block's part of values: (neurons,), or for one block if all blocks have the same."""
    return values[part] if values.size == neurons else values[: part.stop - part.start]


@compiled(inline="always")
def address(values: Array, begin: int, neurons: int) -> int:
    """Of a block's part of values: (neurons,), or for one block if all blocks have the same."""
    here: int = values.ctypes.data
    return here + values.itemsize * begin if values.shape[-1] == neurons else here


@compiled(inline="always")
def one_step32(
    like: Array, x: int, factor: int, s: int, t: int, begin: int, size: int, bias: Array, threshold: Array, ku: Array,
    kv: Array, leaky: bool, short: bool, u: int, v: int, spikes: Array, counted: int,
) -> None:  # fmt: skip
    """A timestep of a block of neurons, at which ``floor(factor x)`` arrives.

    x, factor, u, v, counted: addresses of this block's. like: an array of x's type. All else as in ``lif32``.
    """
    neurons = spikes.shape[2]
    at_bias = address(bias, begin, neurons)
    at_bias += 4 * bias.shape[2] * (min(s, bias.shape[0] - 1) * bias.shape[1] + min(t, bias.shape[1] - 1))
    level, left = address(threshold, begin, neurons), address(kv, begin, neurons)
    fired = spikes.ctypes.data + (spikes.shape[1] * s + t) * neurons + begin
    if short:
        fire_short(like, size, x, factor, at_bias, level, left, v, fired, counted)
    elif leaky:
        fire_leaky(like, size, x, factor, at_bias, level, left, v, fired, counted, address(ku, begin, neurons), u)
    else:
        fire_plain(like, size, x, factor, at_bias, level, left, v, fired, counted)


@compiled(inline="always")
def placed(values: Array, row: int, begin: int, neurons: int, mine: int) -> int:
    """Address of a block's part of a row of values, or that of memory of one's own if there are no rows."""
    return values.ctypes.data + values.itemsize * (row * neurons + begin) if values.shape[0] else mine


@inner
def begin32(fresh: bool, u: Array, v: Array, s: int, begin: int, size: int, mine: Array) -> None:
    """Set states to 0 before the first timestep. mine: those of a block, if others are not kept."""
    if fresh and v.shape[0]:
        u[s, begin : begin + size] = 0
        v[s, begin : begin + size] = 0
    if not v.shape[0]:
        mine[:] = 0


@inner
def keep32(
    x: Array, factor: Array, s: int, t: int, begin: int, leaky: bool, u: Array, v: Array, kept_u: Array, kept_v: Array
) -> None:
    """Note u and v of a block after a timestep at which ``floor(factor x)`` arrived, if they are wanted."""
    part = slice(begin, begin + x.size)
    if kept_u.shape[0]:
        if leaky:
            kept_u[s, t, part] = u[s, part]
        else:
            here = block_of(factor, part, u.shape[1])
            for i in range(x.size):
                u[s, begin + i] = np.floor(F32(x[i]) * here[i]) * UNIT32
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


@outer
def lif32(
    turn: Array,
    jobs: int,
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
    """All timesteps of blocks of neurons whose states neither wrap nor clip.

    width: neurons in a block. arriving: (samples, T or 1, neurons), whole numbers of any type. extra: like arriving,
    or no samples; a_in is ``floor(factor arriving) + floor(extra_factor extra)``. factor, extra_factor, threshold:
    (neurons,). bias: (samples or 1, T or 1, neurons). ku, kv: (neurons,), what the decays leave, of 4096; with short,
    kv is that divided by 4096. All of these may hold one block's values, where all blocks have the same. fresh: states
    are 0 before. u, v: (samples, neurons), states before and after; no samples: they are not wanted. spikes: (samples,
    T, neurons), uint8, out. counts: (T, neurons), uint8, added to; no timesteps: not wanted. kept_u, kept_v: like
    spikes, float32, or with no samples. All else float32.
    """
    samples, steps, neurons = spikes.shape
    total, ones, kept = np.empty(width, F32), np.ones(width, F32), kept_u.shape[0] or kept_v.shape[0]
    mine, bytes_ = np.empty((2, width), F32), np.empty(width, np.uint8)
    block = next_job(turn)
    while block < jobs:
        begin = block * width
        size = min(width, neurons - begin)
        part = slice(begin, begin + size)
        a, b = address(factor, begin, neurons), address(extra_factor, begin, neurons)
        for s in range(samples):
            begin32(fresh, u, v, s, begin, size, mine)
            at_u, at_v = (
                placed(u, s, begin, neurons, mine.ctypes.data),
                placed(v, s, begin, neurons, mine[1].ctypes.data),
            )
            for t in range(steps):
                counted = placed(counts, t, begin, neurons, bytes_.ctypes.data)
                row = s * arriving.shape[1] + min(t, arriving.shape[1] - 1)
                x = arriving.ctypes.data + arriving.itemsize * (row * neurons + begin)
                if extra.shape[0]:
                    row = s * extra.shape[1] + min(t, extra.shape[1] - 1)
                    y = extra.ctypes.data + extra.itemsize * (row * neurons + begin)
                    two_sums32(arriving, extra, size, x, a, total.ctypes.data, y, b)
                    one_step32(
                        total, total.ctypes.data, ones.ctypes.data, s, t, begin, size, bias, threshold, ku, kv, leaky,
                        short, at_u, at_v, spikes, counted,
                    )  # fmt: skip
                    if kept:
                        keep32(total[:size], ones[:size], s, t, begin, leaky, u, v, kept_u, kept_v)
                else:
                    one_step32(
                        arriving, x, a, s, t, begin, size, bias, threshold, ku, kv, leaky, short, at_u, at_v, spikes,
                        counted,
                    )  # fmt: skip
                    if kept:
                        here = arriving[s, min(t, arriving.shape[1] - 1), part]
                        keep32(here, factor, s, t, begin, leaky, u, v, kept_u, kept_v)
        block = next_job(turn)


@outer
def lif64(
    turn: Array,
    jobs: int,
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
    block = next_job(turn)
    while block < jobs:
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
        block = next_job(turn)


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
