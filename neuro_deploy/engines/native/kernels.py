"""Compiled loops of the native engine. All whole numbers in floating point, exact by the bounds that callers prove.

Outer loops begin with the jobs that are theirs, a range (first, last) or those whose turn it is (turn, jobs), see
``threads.share`` and ``threads.deal``, and let go of the interpreter's lock. What they do with some neurons at once is
in ``vectors``.

Numba frees an array after the last line that names it, whatever still has its address: those of arrays that are made
here are taken anew inside the loops that use them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.engines.native.llvm import next_job, pointer, round_as_before, round_toward_zero
from neuro_deploy.engines.native.vectors import arrive, copy, fire, two_sums
from neuro_deploy.numerics.compiling import compiled, inner, outer

Array = npt.NDArray[Any]
BLOCK = 1024
"""Neurons that go through their timesteps together, at most: their states stay in a core's first cache."""
LINE = 16
"""Numbers of 4 bytes in a line of the cache, or of 8 in two."""


@compiled(inline="always")
def address(values: Array, begin: int, neurons: int) -> int:
    """Of a block's part of values: (neurons,), or for one block if all blocks have the same."""
    here: int = pointer(values)
    return here + values.itemsize * begin if values.shape[-1] == neurons else here


@compiled(inline="always")
def own(values: Array, neurons: int) -> int:
    """Bytes from one neuron's value to the next one's; 0 where a block's stand for all."""
    return values.itemsize if values.shape[-1] == neurons else 0


@compiled(inline="always")
def stride(values: Array, axis: int, each: int) -> int:
    """Bytes from one row of values to the next one along an axis, each a row's; 0 where one row stands for all."""
    return values.itemsize * each if values.shape[axis] > 1 else 0


@compiled(inline="always")
def placed(values: Array, row: int, begin: int, neurons: int, mine: int) -> int:
    """Address of a block's part of a row of values, or that of memory of one's own if there are no rows."""
    return pointer(values) + values.itemsize * (row * neurons + begin) if values.shape[0] else mine


@compiled(inline="always")
def lined_up(rows: int, wide: int, kind: Any) -> Array:
    """Rows that hold anything, at least so wide, and each begins where a line of the cache does.

    A vector that is in two lines takes as long as two.
    """
    whole = -(-wide // LINE) * LINE
    held = np.empty(rows * whole + LINE, kind)
    start = -pointer(held) % (4 * LINE) // held.itemsize
    return held[start : start + rows * whole].reshape(rows, whole)


@compiled(inline="always")
def entry_of(values: Array, s: int, t: int, begin: int) -> int:
    """Address of a block's part of values, (samples, T or 1, neurons), some timesteps of more perhaps."""
    row = s * values.strides[0] + min(t, values.shape[1] - 1) * values.strides[1]
    here: int = pointer(values) + row + values.itemsize * begin
    return here


@inner
def from_rest(fresh: bool, leaky: bool, u: Array, v: Array, s: int, begin: int, size: int, mine: Array) -> None:
    """Set states to 0 before the first timestep. mine: those of a block, if others are not kept."""
    if fresh and v.shape[0]:
        u[s, begin : begin + size] = 0
        v[s, begin : begin + size] = 0
    if not v.shape[0]:
        mine[1, :size] = 0
        if leaky:
            mine[0, :size] = 0


@compiled(inline="always")
def keep(
    like: Any, number: Any, leaky: bool, alike: bool, size: int, x: int, factor: int, u: int, v: int, kept_u: int,
    kept_v: int, further: int,
) -> None:  # fmt: skip
    """Note u and v of some neurons after a timestep at which ``floor(factor x)`` arrived, if they are wanted.

    As in ``vectors.fire``; kept_u, kept_v: addresses of arrays' beginnings, or 0 where they are not wanted. further:
    bytes from there to these neurons.
    """
    if kept_u:
        if leaky:
            copy(number, size, 0, u, kept_u + further)
        else:
            arrive(like, number, size, alike, x, factor, kept_u + further)
    if kept_v:
        copy(number, size, 0, v, kept_v + further)


@outer
def lif(
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
    whole: bool,
    alike: bool,
    fresh: bool,
    u: Array,
    v: Array,
    spikes: Array,
    counts: Array,
    kept_u: Array,
    kept_v: Array,
) -> None:
    """All timesteps of blocks of neurons: float32, where their states neither wrap nor clip, else float64.

    width: neurons in a block. arriving: (samples, T or 1, neurons), whole numbers of any type. extra: like arriving,
    or no samples; a_in is ``floor(factor arriving) + floor(extra_factor extra)``. factor, extra_factor, threshold:
    (neurons,). bias: (samples or 1, T or 1, neurons). ku, kv: (neurons,), what the decays leave, of 1. All of these may
    hold one block's values, where all blocks have the same. leaky: u is kept, which in float64 it must be. whole:
    factors are whole numbers. alike: ku, kv and, without extra, factors are the same for all. fresh: states are 0
    before. u, v: (samples, neurons), states before and after; no samples: they are not wanted. spikes: (samples, T,
    neurons), uint8, out. counts: (T, neurons), uint8, added to; no timesteps: not wanted. kept_u, kept_v: like spikes,
    or with no samples. All else of one type, kept_u and kept_v too.
    """
    samples, steps, neurons = spikes.shape
    like, other, number = arriving.dtype.type(0), extra.dtype.type(0), threshold.dtype.type(0)
    total, ones = lined_up(1, width, threshold.dtype), np.ones(width, threshold.dtype)
    keep_u, keep_v = placed(kept_u, 0, 0, 0, 0), placed(kept_v, 0, 0, 0, 0)
    mine, bytes_ = lined_up(2, width, threshold.dtype), np.empty(width, np.uint8)
    next_bias, rounded = stride(bias, 1, bias.shape[2]), round_toward_zero()
    block = next_job(turn)
    while block < jobs:
        begin = block * width
        size = min(width, neurons - begin)
        a, b, level = (
            address(factor, begin, neurons), address(extra_factor, begin, neurons), address(threshold, begin, neurons),
        )  # fmt: skip
        lu, lv = address(ku, begin, neurons), address(kv, begin, neurons)
        counted = placed(counts, 0, begin, neurons, pointer(bytes_))
        summed, one, fired = pointer(total), pointer(ones), pointer(spikes) + begin
        for s in range(samples):
            from_rest(fresh, leaky, u, v, s, begin, size, mine)
            at_u = placed(u, s, begin, neurons, pointer(mine))
            at_v = placed(v, s, begin, neurons, pointer(mine) + mine.itemsize * mine.shape[1])
            at_bias = address(bias, begin, neurons) + s * stride(bias, 0, bias.shape[1] * bias.shape[2])
            for t in range(steps):
                x, at, now_bias = entry_of(arriving, s, t, begin), (s * steps + t) * neurons, at_bias + t * next_bias
                tally = counted + t * neurons if counts.shape[0] else counted
                further = mine.itemsize * (at + begin)
                if extra.shape[0]:
                    two_sums(like, other, number, size, 0, x, a, summed, entry_of(extra, s, t, begin), b)
                    fire(
                        number, number, leaky, whole, size, alike, summed, one, now_bias, level, lu, lv, at_u, at_v,
                        fired + at, tally,
                    )  # fmt: skip
                    keep(number, number, leaky, alike, size, summed, one, at_u, at_v, keep_u, keep_v, further)
                else:
                    fire(
                        like, number, leaky, whole, size, alike, x, a, now_bias, level, lu, lv, at_u, at_v, fired + at,
                        tally,
                    )  # fmt: skip
                    keep(like, number, leaky, alike, size, x, a, at_u, at_v, keep_u, keep_v, further)
        block = next_job(turn)
    round_as_before(rounded)
