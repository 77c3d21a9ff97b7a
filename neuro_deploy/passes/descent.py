"""The compiled part of by_spikes.py: one row of weights goes down the error of its spikes, level by level."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuro_deploy.numerics.compiling import compiled

REACH = 6.0
"""Margins up to so many times what rounding moves them take part: others change no spike. Our own."""
MOST_MARGINS = 4096
"""Of one row; of more, every second, third, ... takes part. Our own: bounds the time."""
SOFT = 1.0
"""A margin counts as safe from so many times what rounding moves it. Our own."""
OTHERS = 1.0
"""Weight of the spikes of other samples that may differ, beside those of the samples. Our own: with less, samples that
were not among them lose."""
SWEEPS = 20
"""Through all weights of a row, at most; it ends sooner where none moves."""
LEAST = 1e-4
"""What a step must gain."""


@compiled()
def _near(margin: Any, spikes: Any, gain: Any, reach: float) -> int:
    """How many margins lie within reach."""
    found = 0
    readers, samples, timesteps, places = margin.shape
    for r in range(readers):
        for s in range(samples):
            for t in range(timesteps):
                for p in range(places):
                    size = margin[r, s, t, p] if spikes[r, s, t, p] else -margin[r, s, t, p]
                    if gain[r, p] != 0 and size < reach * abs(gain[r, p]):
                        found += 1
    return found


@compiled()
def _taken(x: Any, margin: Any, spikes: Any, gain: Any, keep: Any, unit: Any, reach: float, near: int) -> Any:
    """Margins within reach, in parts of what is safe, (n,); and what a level more of each weight adds, (inputs, n)."""
    stride = (near + MOST_MARGINS - 1) // MOST_MARGINS
    count = (near + stride - 1) // max(stride, 1)
    moves, safety = np.zeros((unit.size, count), np.float32), np.zeros(count, np.float32)
    readers, samples, timesteps, places = margin.shape
    seen = n = 0
    for r in range(readers):
        for s in range(samples):
            for t in range(timesteps):
                for p in range(places):
                    towards = 1.0 if spikes[r, s, t, p] else -1.0
                    size, soft = towards * margin[r, s, t, p], SOFT * reach / REACH * abs(gain[r, p])
                    if gain[r, p] == 0 or size >= reach * abs(gain[r, p]):
                        continue
                    seen += 1
                    if (seen - 1) % stride:
                        continue
                    safety[n] = size / soft
                    factor = gain[r, p] * towards / soft
                    for back in range(t + 1):
                        if back > 0 and spikes[r, s, t - back, p]:
                            break
                        at = t - back if x.shape[1] > 1 else 0
                        for j in range(unit.size):
                            moves[j, n] += x[s, at, p, j] * factor * unit[j]
                        factor *= keep[r]
                    n += 1
    return safety, moves


@compiled()
def _losses(safety: Any, move: Any) -> Any:
    """Spikes that differ, softly: now, with the move, and with the move back."""
    now = up = down = 0.0
    for n in range(safety.size):
        z, d = safety[n], move[n]
        now += min(2.0, max(0.0, 1.0 - z))
        up += min(2.0, max(0.0, 1.0 - z - d))
        down += min(2.0, max(0.0, 1.0 - z + d))
    return now, up, down


@compiled()
def descend(  # noqa: PLR0913  # arrays only, as compiled code takes them
    x: Any,
    margin: Any,
    spikes: Any,
    gain: Any,
    keep: Any,
    unit: Any,
    square: Any,
    wanted: Any,
    low: Any,
    high: Any,
    level: Any,
    noise: float,
) -> int:
    """Move the levels of one row, in place; returns how many steps were made.

    x: (samples, T or 1, places, inputs), float32, what the weights meet. margin, spikes: (readers, samples, T, places),
    v less the threshold and what is to come of it. gain: (readers, places), of what the row sends; keep: (readers,),
    what decays leave of v. unit: (inputs,), v of one level. square: (inputs, inputs), mean of x x^T. wanted, low, high,
    level: (inputs,), in levels. noise: what rounding to the nearest moves v, the root of its mean square.
    """
    inputs = unit.size
    near = _near(margin, spikes, gain, REACH * noise)
    if near == 0:
        return 0
    safety, moves = _taken(x, margin, spikes, gain, keep, unit, REACH * noise, near)
    others = OTHERS * safety.size / REACH * 0.4 / noise
    off = (level - wanted) * unit
    slope = square @ off
    error = max(float(off @ slope), 0.0)
    moved = 0
    for _ in range(SWEEPS):
        before = moved
        for j in range(inputs):
            while True:
                now, up, down = _losses(safety, moves[j])
                bend, tilt, root = unit[j] ** 2 * square[j, j], 2 * unit[j] * slope[j], np.sqrt(error)
                up += others * (np.sqrt(max(error + tilt + bend, 0.0)) - root)
                down += others * (np.sqrt(max(error - tilt + bend, 0.0)) - root)
                up = up if level[j] < high[j] else np.inf
                down = down if level[j] > low[j] else np.inf
                if min(up, down) > now - LEAST:
                    break
                step = 1 if up <= down else -1
                level[j] += step
                safety += step * moves[j]
                error = max(error + step * tilt + bend, 0.0)
                slope += step * unit[j] * square[:, j]
                moved += 1
        if moved == before:
            break
    return moved
