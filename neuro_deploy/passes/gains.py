"""Synapses behind relays: even 8-bit weights and a weight exponent."""

from __future__ import annotations

import numpy as np

from neuro_deploy.errors import RangeError
from neuro_deploy.network import Projection
from neuro_deploy.numerics.powers import is_power_of_two
from neuro_deploy.numerics.registers import WEIGHT, WEIGHT_EXPONENT, IntArray


def whole_gains(projection: Projection, ratio: float, largest: float = 0.0) -> tuple[IntArray, int]:
    """Even weights w and an exponent e such that ``w 2^e`` is about ``ratio`` times the projection's weight.

    largest: magnitude of a weight that is to fit with the same exponent.
    Powers of two come out exactly where the register holds them, and as small as possible, so that sums stay small;
    other weights fill the register. A weight of 0 stays 0, and so becomes one that vanishes even under the smallest
    exponent, unless all weights are alike and do: a residual. Returns w: as the weight, int64; e: -8..7.

    Raises:
        RangeError: weights beyond what the largest exponent reaches, or a residual that vanishes.
    """
    wanted = np.asarray(projection.weight * ratio, np.float64)
    size = np.abs(wanted[wanted != 0])
    if not size.size:
        return np.zeros(wanted.shape, np.int64), 0
    top = max(float(size.max()), ratio * largest)
    exponent = int(np.ceil(np.log2(top / WEIGHT.high) - 1e-9))
    if np.all(is_power_of_two(wanted)):
        exponent = max(exponent, int(np.log2(size.min())) - 1)
    exponent = min(max(exponent, WEIGHT_EXPONENT.low), WEIGHT_EXPONENT.high)
    whole = 2 * np.rint(wanted / 2.0 ** (exponent + 1))
    residual = projection.geometry.kind == "one-to-one" and bool(np.all(wanted == wanted.flat[0]))
    if np.abs(whole).max() > WEIGHT.high or (residual and not np.any(whole)):
        raise RangeError(
            f"needs weights of {size.max():.3g} between integers, beyond what 8 bits and an exponent of "
            f"{WEIGHT_EXPONENT.low} to {WEIGHT_EXPONENT.high} hold",
            where=projection.name,
            hint="check the source's batch norms: neighbouring layers differ too much in size",
        )
    return whole.astype(np.int64), exponent
