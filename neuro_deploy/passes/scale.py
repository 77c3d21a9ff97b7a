"""The scale of one population: as large as its registers and 24-bit states allow.

The float neuron ``u += (z - u) / tau``, spike at ``u >= v_threshold``, is multiplied by ``k * tau``; with v = k tau u:

    v' = v (1 - 1/tau) + k z,   spike where v' >= k tau v_threshold

so weights become ``k w``, the bias ``k b``, the decay ``4096 / tau``. k is free, since only comparisons leave the
neuron. On the chip all of it stands shifted left by 6, and v takes every whole number; ``v > vThMant << 6`` is
``v >= (vThMant << 6) + 1``. So k is chosen such that ``64 k tau v_threshold = 64 vThMant + 1`` exactly.

What a relay sends is k times its value, so k is not free there: a population fed by a relay of scale ``k'`` sees its
value times ``k / k'``. See quantize.py for how the scales of such populations are tied.

Where a batch norm per neuron went into thresholds and biases (NormIntoNeuron), one with a small gain has both large
beside the weights: synapses hardly move it. Rather than let it take the bits of all the others, k is lowered by
``OWN_UNITS`` at most, and such a neuron's threshold and bias are scaled by a factor f of its own, until they fit; where
f is below one half, its synapses are left out (sign 0), which is then nearer to the truth than taking them f-fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import RangeError
from neuro_deploy.network import Population, Projection
from neuro_deploy.numerics.registers import BIAS, NEVER, RELAY, THRESHOLD, WEIGHT, IntArray, Register

FloatArray = npt.NDArray[np.float64]
UNIT = 64
"""States stand shifted left by 6."""
OWN_UNITS = 4.0
"""How far k gives way to neurons of small gains: two bits of the weights."""
SIGNED = min(WEIGHT.high, -WEIGHT.low)
"""The largest weight of either sign: rows that are subtracted turn -256 into 256, which has no place."""


@dataclass(frozen=True)
class Scale:
    """k, and what keeps it from being larger."""

    k: float
    limited_by: str


def bias_register(population: Population) -> Register:
    """The register of that kind of population's bias."""
    return RELAY if population.kind == "relay" else BIAS


def largest_scale(
    population: Population,
    synapses: Sequence[Projection],
    bias: FloatArray,
    current: float,
    exponent: int,
    symmetric: bool,
) -> Scale:
    """The largest k for which weights, bias (or a current that enters as bias) and threshold fit their registers.

    synapses: those that meet spikes or the input. exponent: the largest that their weights may have.
    symmetric: weights stay within 254, either sign.
    """
    highest = max((_largest(p.weight, p.sign) for p in synapses), default=0.0)
    lowest = max((_largest(-p.weight, p.sign) for p in synapses), default=0.0)
    most = max(float(np.abs(bias).max(initial=0.0)), current)
    limits = {
        "positive weights": _ratio(WEIGHT.high << exponent, highest),
        "negative weights": _ratio((SIGNED if symmetric else -WEIGHT.low) << exponent, lowest),
        "bias": _ratio(bias_register(population).high, most),
    }
    if population.kind == "lif":
        limits["threshold"] = THRESHOLD.high / float(np.max(population.tau * population.v_threshold))
    if has_own_units(synapses):
        for name in ("bias", "threshold"):
            limits[name] = max(limits[name], min(limits["positive weights"], limits["negative weights"]) / OWN_UNITS)
    limited_by = min(limits, key=lambda name: limits[name])
    return Scale(limits[limited_by] if np.isfinite(limits[limited_by]) else 1.0, limited_by)


def has_own_units(synapses: Sequence[Projection]) -> bool:
    """Whether each neuron's threshold and bias may be scaled by a factor of its own: it has a sign of its own."""
    return bool(synapses) and all(p.sign is not None for p in synapses)


def own_units(population: Population, synapses: Sequence[Projection], bias: FloatArray, k: float) -> FloatArray:
    """The factor f of each neuron, at most 1, that makes its bias and threshold fit: (neurons,)."""
    if population.kind != "lif" or not has_own_units(synapses):
        return np.ones(population.neurons)
    firing = population.tau * np.broadcast_to(np.asarray(population.v_threshold), bias.shape)
    with np.errstate(divide="ignore"):
        fitting = np.minimum(BIAS.high / (k * np.abs(bias)), THRESHOLD.high / (k * firing))
    return np.minimum(fitting, 1.0)


def _largest(weight: FloatArray, sign: npt.NDArray[np.int8] | None) -> float:
    """The largest positive weight; where rows have signs, the largest of either."""
    return float((weight if sign is None else np.abs(weight)).max(initial=0.0))


def on_threshold(k: float, firing: float) -> float:
    """The largest k up to this one that puts a neuron's threshold on a whole number; k itself where none is left.

    firing: tau times v_threshold.
    """
    threshold = min(np.floor((UNIT * k * firing - 1) / UNIT), THRESHOLD.high)
    return float((UNIT * threshold + 1) / (UNIT * firing)) if threshold >= 1 else k


def whole_threshold(population: Population, scale: Scale, unit: FloatArray) -> IntArray:
    """vThMant, () or (neurons,): where ``f k tau v_threshold`` falls, to the nearest; NEVER but for LIF neurons.

    unit: f, (neurons,). A neuron that is left without synapses has a threshold of 1 at least.

    Raises:
        RangeError: no threshold of at least 1 remains.
    """
    if population.kind != "lif":
        return np.asarray(NEVER)
    exact = scale.k * population.tau * np.asarray(population.v_threshold)
    threshold = np.rint((UNIT * exact - 1) / UNIT)
    if np.any(unit < 1):
        threshold = np.where(unit < 1, np.maximum(np.rint(unit * exact), 1), threshold)
    if threshold.min() < 1:
        raise RangeError(
            f"{scale.limited_by} are so large beside the firing threshold {np.min(population.v_threshold):g} that "
            f"scaling them into 8 bits leaves no threshold of at least 1 ({exact.min():.3g} is left)",
            where=population.name,
            hint="check the source's batch norms, or train with weight decay",
        )
    return np.minimum(threshold, THRESHOLD.high).astype(np.int64)


def whole_weights(weight: FloatArray, k: float) -> IntArray:
    """``k * weight`` as even whole numbers, ties to even multiples, inside the register: as weight, int64."""
    even: IntArray = np.clip(2 * np.rint(k * weight / 2), WEIGHT.low, WEIGHT.high).astype(np.int64)
    return even


def whole_bias(population: Population, bias: FloatArray, k: float) -> IntArray:
    """``k * bias`` as mantissas inside the register: (neurons,), int64."""
    register = bias_register(population)
    mantissa: IntArray = np.clip(np.rint(k * bias), register.low, register.high).astype(np.int64)
    return mantissa


def _ratio(limit: float, value: float) -> float:
    return limit / value if value > 0 else np.inf
