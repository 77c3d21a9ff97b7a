"""Products of bytes with weights that are shared along an axis, and the neurons that they feed, in one loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.engines.native.kernels import from_rest, keep, lined_up, own, placed, stride
from neuro_deploy.engines.native.llvm import next_job, pointer, round_as_before, round_toward_zero, zero_bytes
from neuro_deploy.engines.native.tiles import LANES, PANEL, QUAD, ROWS, VECTORS, interleave, tile
from neuro_deploy.engines.native.vectors import fire
from neuro_deploy.numerics.compiling import inner, outer

Array = npt.NDArray[Any]
_one_turned, _two_turned, _three_turned = (tile(min(n, VECTORS), weights_in_rows=True) for n in (1, 2, 3))
_interleave = interleave()


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
        to = pointer(panel)
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
            begin, end = pointer(starts) + 8 * row, out + 4 * (row * (last - first) + column - first)
            if vectors == 1:
                _one_turned(begin, pointer(none), 1, quads, pointer(panel), end, last - first, left)
            elif vectors == 2:
                _two_turned(begin, pointer(none), 1, quads, pointer(panel), end, last - first, left)
            else:
                _three_turned(begin, pointer(none), 1, quads, pointer(panel), end, last - first, left)


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
    anew: bool,
    kept_u: Array,
    kept_v: Array,
) -> None:
    """As ``dot8.lif8``, of weights shared along an axis; a job is some columns of a part.

    source: uint8, (samples, T or 1, parts, deep, long), flat; weights meet its deep rows at every column. wide: columns
    of a job. weight: (targets, deep in whole fours), int8. anew: counts hold anything before.
    """
    samples, steps, neurons = spikes.shape
    targets, columns = weight.shape[0], -(-long // wide)
    keep_u, keep_v = placed(kept_u, 0, 0, 0, 0), placed(kept_v, 0, 0, 0, 0)
    frames = source.size // (parts * deep * long * samples)
    tall = -(-targets // ROWS) * ROWS
    starts, scratch = np.empty(tall, np.int64), lined_up(1, tall * wide, np.int32)
    for i in range(tall):
        starts[i] = pointer(weight) + min(i, targets - 1) * weight.shape[1]
    panel = np.empty(weight.shape[1] * PANEL, np.uint8)
    mine, bytes_ = lined_up(2, targets * wide, threshold.dtype), np.empty(targets * wide, np.uint8)
    number, next_bias, own_bias, rounded = (
        threshold.dtype.type(0),
        stride(bias, 1, bias.shape[2]),
        own(bias, neurons),
        round_toward_zero(),
    )
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
        summed, fired, counted = pointer(scratch), pointer(spikes), placed(counts, 0, 0, 0, pointer(bytes_))
        factors, levels, lefts_u, lefts_v = pointer(factor), pointer(threshold), pointer(ku), pointer(kv)
        states_u, states_v = (
            placed(u, 0, 0, 0, pointer(mine)),
            placed(v, 0, 0, 0, pointer(mine) + mine.itemsize * mine.shape[1]),
        )
        tallies, states = counts.shape[0] > 0, v.shape[0] > 0
        for s in range(samples):
            for i in range(runs if states else 1):
                from_rest(
                    fresh, leaky, u, v, s, (part * targets + i) * long + column, run if states else runs * run, mine
                )
            biases = pointer(bias) + s * stride(bias, 0, bias.shape[1] * bias.shape[2])
            for t in range(steps):
                if t == 0 or frames > 1:
                    at = pointer(source) + ((s * frames + t) * parts + part) * deep * long
                    _across(at, long, deep, column, end, starts, panel, targets, summed)
                for i in range(runs):
                    begin = (part * targets + i) * long + column
                    x, a, at = summed + 4 * i * run, factors + own_factor * begin, (s * steps + t) * neurons + begin
                    at_u = states_u + mine.itemsize * (s * neurons + begin if states else i * run)
                    at_v = states_v + mine.itemsize * (s * neurons + begin if states else i * run)
                    tally = counted + t * neurons + begin if tallies else counted
                    if anew and s == 0:
                        zero_bytes(tally, run)
                    fire(
                        np.int32(0), number, leaky, whole, run, alike, x, a, biases + t * next_bias + own_bias * begin,
                        levels + own_level * begin, lefts_u + own_u * begin, lefts_v + own_v * begin, at_u, at_v,
                        fired + at, tally,
                    )  # fmt: skip
                    further = mine.itemsize * at
                    keep(np.int32(0), number, leaky, alike, run, x, a, at_u, at_v, keep_u, keep_v, further)
        job = next_job(turn)
    round_as_before(rounded)
