"""One timestep of the CUBA neuron, as lava-nc's ``PyLifModelBitAcc`` computes it (docs/numerics.md).

Notation: integers throughout. ``x >> n`` of a non-negative x is floor(x / 2^n).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neuro_deploy.numerics.registers import (
    ACTIVATION_SHIFT,
    DECAY_UNITY,
    STATE_LIMIT,
    THRESHOLD_SHIFT,
    IntArray,
)


class CubaStep(NamedTuple):
    """State after one timestep. ``u``, ``v``: int64. ``s``: bool."""

    u: IntArray
    v: IntArray
    s: np.ndarray


def decayed(state: IntArray, decay: IntArray) -> IntArray:
    """``sgn(x) * ((|x| * (4096 - decay)) >> 12)``: the decayed state, truncated toward zero.

    state: int64, |x| <= 2^24. decay: int64, 0..4096, broadcast. Source: ``subthr_dynamics`` of lava-nc 0.10.0.
    """
    size: IntArray = np.abs(state)
    kept: IntArray = np.sign(state) * ((size * (DECAY_UNITY - decay)) >> 12)
    return kept


def wrap24(current: IntArray) -> IntArray:
    """One wrap into (-2^23, 2^23]: values above 2^23 lose 2^24, values at or below -2^23 gain it.

    Once only, as lava-nc does it: a value beyond three times the range stays outside.
    """
    wrapped = np.where(current > STATE_LIMIT, current - 2 * STATE_LIMIT, current)
    return np.where(current <= -STATE_LIMIT, current + 2 * STATE_LIMIT, wrapped)


def cuba_step(
    u: IntArray,
    v: IntArray,
    a_in: IntArray,
    *,
    u_decay: IntArray,
    v_decay: IntArray,
    bias: IntArray,
    threshold: IntArray,
) -> CubaStep:
    """One timestep of the CUBA neuron.

        u' = wrap24(decayed(u) + (a_in << 6))
        v' = clip(decayed(v) + u' + bias, -(2^23 - 1), 2^23 - 1)
        s  = v' > (threshold << 6);  v' = 0 where s

    u, v, a_in: (..., neurons), int64. bias: already shifted by its exponent. threshold: vThMant, 0..2^17.
    u_decay, v_decay: 0..4096. All parameters broadcast against the last axis.
    """
    new_u = wrap24(decayed(u, u_decay) + (a_in << ACTIVATION_SHIFT))
    new_v = np.clip(decayed(v, v_decay) + new_u + bias, -(STATE_LIMIT - 1), STATE_LIMIT - 1)
    spikes = new_v > (threshold << THRESHOLD_SHIFT)
    return CubaStep(new_u, np.where(spikes, 0, new_v), spikes)
