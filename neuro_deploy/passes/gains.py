"""Synapses with a weight exponent of their own: even weights of at most 8 bits."""

from __future__ import annotations

import numpy as np

from neuro_deploy.errors import RangeError
from neuro_deploy.network import Projection
from neuro_deploy.numerics.powers import is_power_of_two
from neuro_deploy.numerics.registers import WEIGHT_EXPONENT, IntArray
from neuro_deploy.passes.levels import FloatArray, Levels, levels

FULL = levels(8, symmetric=True)


def exponent_of(projection: Projection, wanted: FloatArray, largest: float = 0.0, of: Levels = FULL) -> int:
    """The weight exponent e, -8..7, with which these weights fill their levels: ``wanted / 2^e``.

    largest: magnitude of a weight that is to fit with the same exponent. Powers of two come out as small as possible.

    Raises:
        RangeError: weights beyond what the largest exponent reaches.
    """
    size = np.abs(wanted[of.within(wanted)])
    if not size.size:
        return 0
    top = max(float(size.max()), largest if of.bits > 1 else 0.0)
    exponent = int(np.ceil(np.log2(top / (of.top * of.clip)) - 1e-9))
    if of.clip == 1.0 and np.all(is_power_of_two(wanted)):
        exponent = max(exponent, int(np.log2(size.min())) - int(np.log2(of.step)))
    if (
        exponent > WEIGHT_EXPONENT.high
        and float(size.max()) / 2.0**WEIGHT_EXPONENT.high >= of.top * of.clip + of.step / 2
    ):
        raise _refusal(projection, float(size.max()))
    return min(max(exponent, WEIGHT_EXPONENT.low), WEIGHT_EXPONENT.high)


def whole_gains(projection: Projection, ratio: float, largest: float = 0.0) -> tuple[IntArray, int]:
    """Even weights w and an exponent e such that ``w 2^e`` is about ``ratio`` times the weight of a relay's synapse.

    largest: magnitude of a weight that is to fit with the same exponent.
    Powers of two come out exactly where the register holds them, and as small as possible, so that sums stay small;
    other weights fill the register. A weight of 0 stays 0, and so becomes one that vanishes even under the smallest
    exponent, unless all weights are alike and do: a residual. Returns w: as the weight, int64; e: -8..7.

    Raises:
        RangeError: weights beyond what the largest exponent reaches, or a residual that vanishes.
    """
    wanted = np.asarray(projection.weight * ratio, np.float64)
    exponent = exponent_of(projection, wanted, ratio * largest)
    whole = FULL.whole(wanted / 2.0**exponent)
    residual = projection.geometry.kind == "one-to-one" and bool(np.all(wanted == wanted.flat[0]))
    if residual and np.any(wanted) and not np.any(whole):
        raise _refusal(projection, float(np.abs(wanted).max()))
    return whole, exponent


def _refusal(projection: Projection, size: float) -> RangeError:
    return RangeError(
        f"needs weights of {size:.3g} between integers, beyond what 8 bits and an exponent of "
        f"{WEIGHT_EXPONENT.low} to {WEIGHT_EXPONENT.high} hold",
        where=projection.name,
        hint="check the source's batch norms: neighbouring layers differ too much in size",
    )
