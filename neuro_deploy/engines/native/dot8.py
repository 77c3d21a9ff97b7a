"""Products of bytes, and the neurons and relays that they feed, in one loop: for processors that multiply bytes.

Sums of some positions and timesteps are made and used while they are in the cache.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.engines.native.kernels import (
    address,
    entry_of,
    from_rest,
    keep,
    lined_up,
    placed,
    stride,
)
from neuro_deploy.engines.native.llvm import (
    next_job,
    next_thread,
    pointer,
    round_as_before,
    round_toward_zero,
    zero_bytes,
)
from neuro_deploy.engines.native.rows8 import begin as begin_rows
from neuro_deploy.engines.native.rows8 import panels, sums
from neuro_deploy.engines.native.tiles import FOUND, PANEL, QUAD, ROWS, packed
from neuro_deploy.engines.native.vectors import fire, send, send_sum, two_sums
from neuro_deploy.numerics.compiling import outer

Array = npt.NDArray[Any]


@outer
def sums8(
    turn: Array,
    jobs: int,
    tall: int,
    wide: int,
    source: Array,
    per: int,
    places: Array,
    segments: Array,
    quads: int,
    weight: Array,
    out: Array,
) -> None:
    """Sums of bytes; a job is some rows and some targets.

    tall, wide: rows and targets of a job, in whole tiles and panels, but the last ones. source: uint8, flat, per bytes
    a frame, readable for QUAD bytes beyond its end. places: (positions,), where in a frame rows begin. segments: where
    in a row they begin. quads: of sources in a segment. weight: see ``tiles.packed``. out: (rows in whole tiles,
    targets), int32; rows are frames by positions.
    """
    targets, every = out.shape[1], source.size // per * places.size
    columns = -(-targets // wide)
    starts = np.empty(tall, np.int64)
    job = next_job(turn)
    while job < jobs:
        row, target = job // columns * tall, job % columns * wide
        rows, end = min(tall, every - row), min(targets, target + wide)
        begin_rows(starts, source, places, row, rows, per)
        panels(rows, starts, segments, quads, weight, target, end, pointer(out) + 4 * (row * targets + target), targets)
        job = next_job(turn)


@outer
def lif8(
    turn: Array,
    jobs: int,
    positions: int,
    wide: int,
    at_once: int,
    source: Array,
    per: int,
    places: Array,
    segments: Array,
    quads: int,
    weight: Array,
    targets: int,
    sparse: Array,
    limit: int,
    group: int,
    factor: Array,
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
    anew: bool,
    kept_u: Array,
    kept_v: Array,
) -> None:
    """``sums8`` and ``kernels.lif`` in one: sums are used while they are in the cache.

    positions, wide: positions and targets in a job; wide is all targets, unless there is one position. at_once:
    timesteps. source: (samples, T or 1, per), flat. sparse, limit, group: see ``products.Packed``. Jobs for the same
    neurons have some samples each, the first jobs the first ones. counts: (threads, T, neurons), uint8, added to, if
    there are such jobs; threads beyond these do none. Else (1, T, neurons). anew: counts hold anything before. All else
    as in these two.
    """
    samples, steps, neurons = spikes.shape
    frames, columns = source.size // per // samples, -(-targets // wide)
    each = columns * -(-places.size // positions)
    groups, thread = jobs // each, next_thread(turn)
    keep_u, keep_v = placed(kept_u, 0, 0, 0, 0), placed(kept_v, 0, 0, 0, 0)
    at_once = min(at_once, steps)
    most = -(-at_once * positions // ROWS) * ROWS
    starts, scratch = np.empty(most, np.int64), lined_up(1, most * min(wide, targets), np.int32)
    mine, bytes_ = lined_up(2, positions * wide, threshold.dtype), np.empty(positions * wide, np.uint8)
    number, next_bias, rounded = threshold.dtype.type(0), stride(bias, 1, bias.shape[2]), round_toward_zero()
    job = next_job(turn) if groups == 1 or thread < counts.shape[0] else jobs
    while job < jobs:
        some, place = job // each, job % each
        position, target = place // columns * positions, place % columns * wide
        end = min(targets, target + wide)
        here = places[position : position + positions]
        size, begin = here.size * (end - target), position * targets + target
        a, level = address(factor, begin, neurons), address(threshold, begin, neurons)
        lu, lv = address(ku, begin, neurons), address(kv, begin, neurons)
        summed, fired = pointer(scratch), pointer(spikes) + begin
        counted = placed(counts, thread * steps if groups > 1 else 0, begin, neurons, pointer(bytes_))
        first, after = some * samples // groups, (some + 1) * samples // groups
        for s in range(first, after):
            from_rest(fresh, leaky, u, v, s, begin, size, mine)
            at_u = placed(u, s, begin, neurons, pointer(mine))
            at_v = placed(v, s, begin, neurons, pointer(mine) + mine.itemsize * mine.shape[1])
            at_bias = address(bias, begin, neurons) + s * stride(bias, 0, bias.shape[1] * bias.shape[2])
            for t in range(steps):
                if t % at_once == 0 and (t == 0 or frames > 1):
                    rows = min(at_once, frames - t) * here.size
                    begin_rows(starts, source, here, (s * frames + t) * here.size, rows, per)
                    sums(rows, starts, segments, quads, weight, sparse, limit, group, target, end, summed)
                now = t % at_once * size if frames > 1 else 0
                tally = counted + t * neurons if counts.shape[0] else counted
                if anew and s == first:
                    zero_bytes(tally, size)
                x, at = summed + 4 * now, (s * steps + t) * neurons
                fire(
                    np.int32(0), number, leaky, whole, size, alike, x, a, at_bias + t * next_bias, level, lu, lv, at_u,
                    at_v, fired + at, tally,
                )  # fmt: skip
                further = mine.itemsize * (at + begin)
                keep(np.int32(0), number, leaky, alike, size, x, a, at_u, at_v, keep_u, keep_v, further)
        job = next_job(turn)
    round_as_before(rounded)


@outer
def relay8(
    turn: Array,
    jobs: int,
    positions: int,
    at_once: int,
    source: Array,
    per: int,
    places: Array,
    segments: Array,
    quads: int,
    weight: Array,
    targets: int,
    sparse: Array,
    limit: int,
    group: int,
    factor: Array,
    extra: Array,
    extra_factor: Array,
    bias: Array,
    entire: bool,
    same: bool,
    total: Array,
    counts: Array,
    anew: bool,
    lif_factor: Array,
    other: Array,
    other_factor: Array,
    lif_bias: Array,
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
    lif_counts: Array,
) -> None:
    """``sums8`` and ``adding.relay`` in one, to which ``floor(extra_factor extra)`` may be added.

    extra: (samples, T or 1, neurons), or no samples. entire: factors are whole numbers; same: the same for all. total:
    no samples: it is not wanted. The neurons that the relay feeds one to one, if there are spikes: all from lif_factor
    on as in ``kernels.lif``, whose extra is other. All else as in ``lif8`` and ``adding.relay``.
    """
    samples, (steps, neurons) = max(total.shape[0], spikes.shape[0]), counts.shape
    frames, at_once, wide = source.size // per // samples, min(at_once, steps), positions * targets
    most = -(-at_once * positions // ROWS) * ROWS
    starts, scratch = np.empty(most, np.int64), lined_up(1, most * targets, np.int32)
    rows, mine, bytes_ = lined_up(3, wide, np.float32), lined_up(2, wide, np.float32), np.empty(wide, np.uint8)
    rows[2] = 1
    more_like, other_like = extra.dtype.type(0), other.dtype.type(0)
    next_bias, rounded = stride(lif_bias, 1, lif_bias.shape[2]), round_toward_zero()
    job = next_job(turn)
    while job < jobs:
        here = places[job * positions : (job + 1) * positions]
        size, begin = here.size * targets, job * positions * targets
        a, b, c = address(factor, begin, neurons), address(bias, begin, neurons), address(extra_factor, begin, neurons)
        lif_a, lif_c = address(lif_factor, begin, neurons), address(other_factor, begin, neurons)
        level, lu, lv = address(threshold, begin, neurons), address(ku, begin, neurons), address(kv, begin, neurons)
        fired, lif_counted = pointer(spikes) + begin, placed(lif_counts, 0, begin, neurons, pointer(bytes_))
        for s in range(samples):
            if spikes.shape[0]:
                from_rest(fresh, leaky, u, v, s, begin, size, mine)
            at_u, at_v = (
                placed(u, s, begin, neurons, pointer(mine)),
                placed(v, s, begin, neurons, pointer(mine) + mine.itemsize * mine.shape[1]),
            )
            at_bias = address(lif_bias, begin, neurons) + s * stride(lif_bias, 0, lif_bias.shape[1] * lif_bias.shape[2])
            for t in range(steps):
                some, at = t % at_once, (s * steps + t) * neurons + begin
                if some == 0 and (t == 0 or frames > 1):
                    many = min(at_once, frames - t) * here.size
                    begin_rows(starts, source, here, (s * frames + t) * here.size, many, per)
                    sums(many, starts, segments, quads, weight, sparse, limit, group, 0, targets, pointer(scratch))
                x = pointer(scratch) + 4 * (some * size if frames > 1 else 0)
                out = pointer(total) + 4 * at if total.shape[0] else pointer(rows)
                counted = pointer(counts) + t * neurons + begin
                zero_bytes(counted, size if anew and s == 0 else 0)
                more = entry_of(extra, s, t, begin)
                if extra.shape[0]:
                    send_sum(np.int32(0), more_like, entire, size, same, x, a, b, out, counted, more, c)
                else:
                    send(np.int32(0), entire, size, same, x, a, b, out, counted)
                if spikes.shape[0]:
                    arrives, by = out, lif_a
                    tally = lif_counted + t * neurons if lif_counts.shape[0] else lif_counted
                    zero_bytes(tally, size if anew and s == 0 else 0)
                    if other.shape[0]:
                        arrives, by = pointer(rows) + 4 * rows.shape[1], pointer(rows) + 8 * rows.shape[1]
                        at_other = entry_of(other, s, t, begin)
                        two_sums(
                            np.float32(0), other_like, np.float32(0), size, 0, out, lif_a, arrives, at_other, lif_c
                        )
                    fire(
                        np.float32(0), np.float32(0), leaky, whole, size, alike, arrives, by, at_bias + t * next_bias,
                        level, lu, lv, at_u, at_v, fired + at - begin, tally,
                    )  # fmt: skip
        job = next_job(turn)
    round_as_before(rounded)


@lru_cache(maxsize=1)
def works() -> bool:
    """Whether tiles compile here and are exact at the edges: tried once."""
    if FOUND is None:
        return False
    rng = np.random.default_rng(0)
    rows, sources, targets = ROWS + 1, 2 * QUAD + 1, PANEL + 1
    values = rng.integers(0, FOUND.top + 1, (rows, sources)).astype(np.uint8)
    weight = rng.integers(-128, 128, (sources, targets)).astype(np.int8)
    values[0], weight[:, 0], weight[:, 1] = FOUND.top, -128, 127
    source, out = np.zeros(values.size + QUAD, np.uint8), np.empty((2 * ROWS, targets), np.int32)
    source[: values.size] = values.reshape(-1)
    zero, quads = np.zeros(1, np.int64), -(-sources // QUAD)
    try:
        sums8(
            np.zeros(2, np.int64),
            1,
            2 * ROWS,
            targets,
            source[: values.size],
            sources,
            zero,
            zero,
            quads,
            packed(weight, 1),
            out,
        )
    except Exception:  # noqa: BLE001 - whatever another release of numba or LLVM makes of it: there are other kernels
        return False
    return bool(np.array_equal(out[:rows], values.astype(np.int64) @ weight.astype(np.int64)))
