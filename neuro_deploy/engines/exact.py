"""How large the numbers of a run can get, from which engines prove that their arithmetic is exact."""

from __future__ import annotations

import math

import numpy as np

from neuro_deploy.network import Bounds, FixedNetwork, FixedPopulation, FixedProjection
from neuro_deploy.network.bounds import largest_spike
from neuro_deploy.numerics.registers import BIAS_EXPONENT, STATE_LIMIT, IntArray

FLOAT64_EXACT = 2**53
"""Whole numbers below this, and their sums below this, are exact in float64 (53 bits of significand)."""
INT32_END = 2**31
"""Whole numbers below this, either sign, fit int32."""


def largest_sum(network: FixedNetwork, projection: FixedProjection) -> int:
    """The largest magnitude of any partial sum of weights times spikes, before the weight exponent.

    The largest row sum of \\|weight\\| times the largest payload.
    """
    weight = np.abs(projection.weight.astype(np.int64))
    axes = tuple(range(1, weight.ndim)) if projection.geometry.kind != "one-to-one" else ()
    return int(weight.sum(axis=axes).max()) * largest_spike(network, projection.source)


def largest_states(population: FixedPopulation, bounds: Bounds, steps: int, driven_reach: int = 0) -> tuple[int, int]:
    """The largest magnitudes of u and v, and of any partial sum on the way to them, before wrap and clip.

    Where no wrap can act, that is what the interval analysis says. Else, with A the largest ``a_in << 6``,
    ``|u| <= max(2^23, |u before| - 2^24) + A``, which is at most 2^23 + A if A <= 2^24 and 2^23 + steps A always, and
    ``|v| < 2^23 + |u| + |bias|``. driven_reach: of mantissas that enter as bias. A relay's partial sums are its value
    less its bias.
    """
    bias = int(np.abs(population.bias).max())
    if population.kind == "relay":
        return bounds.u, bounds.v + bias
    if bounds.exact:
        return bounds.u, bounds.v
    grows = 1 if bounds.u <= 2 * STATE_LIMIT else steps
    u = STATE_LIMIT + grows * bounds.u  # bounds.u >= A: it is the first timestep's
    return u, STATE_LIMIT + u + ((bias + driven_reach) << BIAS_EXPONENT)


def odd_part(numbers: IntArray) -> int:
    """The largest of the numbers' factors that are odd: bits by which a product with them grows. 0 counts as 1.

    numbers: 0..4096. In binary floating point a product with a power of two is always exact.
    """
    return max((int(n) // math.gcd(int(n), 4096) for n in np.unique(numbers) if n), default=1)
