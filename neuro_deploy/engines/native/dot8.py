"""Products of bytes, and the neurons and relays that they feed, in one loop: for processors that multiply bytes.

Sums of some positions and timesteps are made and used while they are in the cache.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.engines.native.kernels import address, begin32, inner, keep32, one_step32, outer, own, placed, stride
from neuro_deploy.engines.native.rows8 import begin as begin_rows
from neuro_deploy.engines.native.rows8 import panels, sums
from neuro_deploy.engines.native.tiles import FOUND, LANES, PANEL, QUAD, ROWS, VECTORS, interleave, packed, tile
from neuro_deploy.engines.native.vectors import next_job, round_as_before, round_toward_zero, send32, send_sum32

Array = npt.NDArray[Any]
_one_turned, _two_turned, _three_turned = (tile(min(n, VECTORS), weights_in_rows=True) for n in (1, 2, 3))
_interleave = interleave()


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
        panels(rows, starts, segments, quads, weight, target, end, out[row, target:].ctypes.data, targets)
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
    kept_u: Array,
    kept_v: Array,
) -> None:
    """``sums8`` and ``kernels.lif32`` in one: sums are used while they are in the cache.

    positions, wide: positions and targets in a job; wide is all targets, unless there is one position. at_once:
    timesteps. source: (samples, T or 1, per), flat. sparse: the weights as ``gathering.in_lines`` makes them, for rows
    of few spikes, at most limit; or none. counts: as there, of each of some groups of samples: the first jobs are
    those of the first group. All else as in these two.
    """
    samples, steps, neurons = spikes.shape
    frames, columns, groups = source.size // per // samples, -(-targets // wide), max(1, counts.shape[0])
    each = jobs // groups
    kept = kept_u.shape[0] or kept_v.shape[0]
    at_once = min(at_once, steps)
    most = -(-at_once * positions // ROWS) * ROWS
    starts, scratch = np.empty(most, np.int64), np.empty(most * min(wide, targets), np.int32)
    mine, bytes_ = np.empty((2, positions * wide), np.float32), np.empty(positions * wide, np.uint8)
    next_bias, rounded = stride(bias, 1, bias.shape[2]), round_toward_zero()
    job = next_job(turn)
    while job < jobs:
        group, place = job // each, job % each
        position, target = place // columns * positions, place % columns * wide
        end = min(targets, target + wide)
        here = places[position : position + positions]
        size, begin = here.size * (end - target), position * targets + target
        a, level = address(factor, begin, neurons), address(threshold, begin, neurons)
        lu, lv = address(ku, begin, neurons), address(kv, begin, neurons)
        summed, fired = scratch.ctypes.data, spikes.ctypes.data + begin
        counted = placed(counts, group * steps, begin, neurons, bytes_.ctypes.data)
        for s in range(group * samples // groups, (group + 1) * samples // groups):
            begin32(fresh, u, v, s, begin, size, mine)
            at_u = placed(u, s, begin, neurons, mine.ctypes.data)
            at_v = placed(v, s, begin, neurons, mine[1].ctypes.data)
            at_bias = address(bias, begin, neurons) + s * stride(bias, 0, bias.shape[1] * bias.shape[2])
            for t in range(steps):
                some = t % at_once
                if some == 0 and (t == 0 or frames > 1):
                    rows = min(at_once, frames - t) * here.size
                    begin_rows(starts, source, here, (s * frames + t) * here.size, rows, per)
                    sums(rows, starts, segments, quads, weight, sparse, limit, target, end, summed)
                now = some * size if frames > 1 else 0
                one_step32(
                    scratch, leaky, whole, alike, size, summed + 4 * now, a, at_bias + t * next_bias, level, lu, lv,
                    at_u, at_v, fired + (s * steps + t) * neurons,
                    counted + t * neurons if counts.shape[0] else counted,
                )  # fmt: skip
                if kept:
                    at = (s * steps + t) * neurons + begin
                    keep32(scratch, leaky, alike, size, summed + 4 * now, a, at_u, at_v, kept_u, kept_v, at)
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
    factor: Array,
    extra: Array,
    extra_factor: Array,
    bias: Array,
    alike: bool,
    total: Array,
    counts: Array,
) -> None:
    """``sums8`` and ``kernels.relay`` in one, to which ``floor(extra_factor extra)`` may be added.

    extra: (samples, T or 1, neurons), or no samples. All else as in ``lif8`` and ``kernels.relay``.
    """
    samples, steps, neurons = total.shape
    frames, at_once = source.size // per // samples, min(at_once, steps)
    most = -(-at_once * positions // ROWS) * ROWS
    starts, scratch = np.empty(most, np.int64), np.empty(most * targets, np.int32)
    job = next_job(turn)
    while job < jobs:
        here = places[job * positions : (job + 1) * positions]
        size, begin = here.size * targets, job * positions * targets
        a, b, c = address(factor, begin, neurons), address(bias, begin, neurons), address(extra_factor, begin, neurons)
        for s in range(samples):
            for t in range(steps):
                some = t % at_once
                if some == 0 and (t == 0 or frames > 1):
                    rows = min(at_once, frames - t) * here.size
                    begin_rows(starts, source, here, (s * frames + t) * here.size, rows, per)
                    sums(rows, starts, segments, quads, weight, sparse, limit, 0, targets, scratch.ctypes.data)
                x = scratch.ctypes.data + 4 * (some * size if frames > 1 else 0)
                out = total.ctypes.data + 4 * ((s * steps + t) * neurons + begin)
                counted = counts.ctypes.data + t * neurons + begin
                if extra.shape[0]:
                    row = s * extra.shape[1] + min(t, extra.shape[1] - 1)
                    other = extra.ctypes.data + extra.itemsize * (row * neurons + begin)
                    send_sum32(scratch, extra, size, alike, x, a, b, out, counted, other, c)
                else:
                    send32(scratch, size, alike, x, a, b, out, counted)
        job = next_job(turn)


@inner
def _across(
    source: int, long: int, deep: int, first: int, last: int, starts: Array, panel: Array, targets: int, out: int
) -> None:
    """Sums over the rows of sources: targets by columns first to last - 1.

    source: address of (deep, long) bytes. starts: addresses of the targets' weights. out: (targets in whole tiles, last
    - first), its address.
    """
    quads, none = -(-deep // QUAD), np.zeros(1, np.int64)
    for column in range(first, last, PANEL):
        left = last - column
        vectors = min(VECTORS, -(-left // LANES))
        to = panel.ctypes.data
        for quad in range(quads):
            top = source + column + quad * QUAD * long
            below = min(QUAD * quad + 1, deep - 1) - QUAD * quad
            third = min(QUAD * quad + 2, deep - 1) - QUAD * quad
            fourth = min(QUAD * quad + 3, deep - 1) - QUAD * quad
            for j in range(vectors):
                at = top + j * LANES
                _interleave(at, at + below * long, at + third * long, at + fourth * long, to)
                to += QUAD * LANES
        for row in range(0, targets, ROWS):
            begin, end = starts.ctypes.data + 8 * row, out + 4 * (row * (last - first) + column - first)
            if vectors == 1:
                _one_turned(begin, none.ctypes.data, 1, quads, panel.ctypes.data, end, last - first, left)
            elif vectors == 2:
                _two_turned(begin, none.ctypes.data, 1, quads, panel.ctypes.data, end, last - first, left)
            else:
                _three_turned(begin, none.ctypes.data, 1, quads, panel.ctypes.data, end, last - first, left)


@outer
def along8(
    turn: Array,
    jobs: int,
    parts: int,
    wide: int,
    long: int,
    deep: int,
    source: Array,
    weight: Array,
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
    kept_u: Array,
    kept_v: Array,
) -> None:
    """As ``lif8``, of weights shared along an axis; a job is some columns of a part.

    source: uint8, (samples, T or 1, parts, deep, long), flat; weights meet its deep rows at every column. wide: columns
    of a job. weight: (targets, deep in whole fours), int8.
    """
    samples, steps, neurons = spikes.shape
    targets, columns = weight.shape[0], -(-long // wide)
    kept = kept_u.shape[0] or kept_v.shape[0]
    frames = source.size // (parts * deep * long * samples)
    whole = -(-targets // ROWS) * ROWS
    starts, scratch = np.empty(whole, np.int64), np.empty(whole * wide, np.int32)
    for i in range(whole):
        starts[i] = weight.ctypes.data + min(i, targets - 1) * weight.shape[1]
    panel = np.empty(weight.shape[1] * PANEL, np.uint8)
    mine, bytes_ = np.empty((2, targets * wide), np.float32), np.empty(targets * wide, np.uint8)
    next_bias, own_bias, rounded = stride(bias, 1, bias.shape[2]), own(bias, neurons), round_toward_zero()
    own_factor, own_level, own_u, own_v = (
        own(factor, neurons),
        own(threshold, neurons),
        own(ku, neurons),
        own(kv, neurons),
    )
    job = next_job(turn)
    while job < jobs:
        part, column = job // columns, job % columns * wide
        end = min(long, column + wide)
        size = end - column
        runs, run = (1, targets * size) if size == long else (targets, size)
        summed, fired, counted = scratch.ctypes.data, spikes.ctypes.data, placed(counts, 0, 0, 0, bytes_.ctypes.data)
        factors, levels, lefts_u, lefts_v = factor.ctypes.data, threshold.ctypes.data, ku.ctypes.data, kv.ctypes.data
        states_u, states_v = placed(u, 0, 0, 0, mine.ctypes.data), placed(v, 0, 0, 0, mine[1].ctypes.data)
        tallies, states = counts.shape[0] > 0, v.shape[0] > 0
        for s in range(samples):
            for i in range(runs if states else 1):
                begin32(fresh, u, v, s, (part * targets + i) * long + column, run, mine)
            biases = bias.ctypes.data + s * stride(bias, 0, bias.shape[1] * bias.shape[2])
            for t in range(steps):
                if t == 0 or frames > 1:
                    at = source.ctypes.data + ((s * frames + t) * parts + part) * deep * long
                    _across(at, long, deep, column, end, starts, panel, targets, summed)
                for i in range(runs):
                    begin = (part * targets + i) * long + column
                    x, a, at = summed + 4 * i * run, factors + own_factor * begin, (s * steps + t) * neurons + begin
                    at_u = states_u + 4 * (s * neurons + begin if states else i * run)
                    at_v = states_v + 4 * (s * neurons + begin if states else i * run)
                    one_step32(
                        scratch, leaky, whole, alike, run, x, a, biases + t * next_bias + own_bias * begin,
                        levels + own_level * begin, lefts_u + own_u * begin, lefts_v + own_v * begin, at_u, at_v,
                        fired + at, counted + t * neurons + begin if tallies else counted,
                    )  # fmt: skip
                    if kept:
                        keep32(scratch, leaky, alike, run, x, a, at_u, at_v, kept_u, kept_v, at)
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
            np.zeros(1, np.int64),
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
