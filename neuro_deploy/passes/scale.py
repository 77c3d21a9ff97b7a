"""The scale of one population: as large as its registers and 24-bit states allow.

The float neuron ``u += (z - u) / tau``, spike at ``u >= v_threshold``, is multiplied by ``k * tau``; with v = k tau u:

    v' = v (1 - 1/tau) + k z,   spike where v' >= k tau v_threshold

so weights become ``k w``, the bias ``k b``, the decay ``4096 / tau``. k is free, since only comparisons leave the
neuron. On the chip all of it stands shifted left by 6, and v takes every whole number; ``v > vThMant << 6`` is
``v >= (vThMant << 6) + 1``. So k is chosen such that ``64 k tau v_threshold = 64 vThMant + 1`` exactly.

What a relay sends is k times its value, so k is not free there: a population fed by a relay of scale ``k'`` sees its
value times ``k / k'``. See quantize.py for how the scales of such populations are tied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import RangeError
from neuro_deploy.network import Population, Projection
from neuro_deploy.numerics.registers import BIAS, NEVER, RELAY, THRESHOLD, WEIGHT, IntArray, Register

FloatArray = npt.NDArray[np.float64]
UNIT = 64
"""States stand shifted left by 6."""
SIGNED = min(WEIGHT.high, -WEIGHT.low)
"""The largest weight of either sign: rows that are subtracted turn -256 into 256, which has no place."""


@dataclass(frozen=True)
class Scale:
    """k, and what keeps it from being larger."""

    k: float
    limited_by: str


@dataclass(frozen=True)
class QuantizedPopulation:
    """What quantization did to a population.

    scale: k. weight_bits: bits that the largest weight fills, None where nothing but relays or the host feeds it.
    weight_error: largest rounding of a weight, in percent of the largest weight. threshold: one for all neurons, or
    [lowest, highest]. worst_u, worst_v: proven largest magnitudes, of 2^23. relays: scales of the relays that feed it,
    relative to its own.
    """

    name: str
    scale: float
    limited_by: str
    weight_bits: float | None
    weight_error: float | None
    threshold: int | list[int] | None
    v_decay: int
    worst_u: int
    worst_v: int
    relays: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def bias_register(population: Population) -> Register:
    """The register of that kind of population's bias."""
    return RELAY if population.kind == "relay" else BIAS


def largest_scale(
    population: Population, synapses: Sequence[Projection], bias: FloatArray, current: float, exponent: int = 0
) -> Scale:
    """The largest k for which weights, bias (or a current that enters as bias) and threshold fit their registers.

    synapses: those that meet spikes or the input. exponent: the largest that their weights may have.
    """
    highest = max((_largest(p.weight, p.sign) for p in synapses), default=0.0)
    lowest = max((_largest(-p.weight, p.sign) for p in synapses), default=0.0)
    signed = any(p.sign is not None for p in synapses)
    most = max(float(np.abs(bias).max(initial=0.0)), current)
    limits = {
        "positive weights": _ratio(WEIGHT.high << exponent, highest),
        "negative weights": _ratio((SIGNED if signed or exponent else -WEIGHT.low) << exponent, lowest),
        "bias": _ratio(bias_register(population).high, most),
    }
    if population.kind == "lif":
        limits["threshold"] = THRESHOLD.high / float(np.max(population.tau * population.v_threshold))
    limited_by = min(limits, key=lambda name: limits[name])
    return Scale(limits[limited_by] if np.isfinite(limits[limited_by]) else 1.0, limited_by)


def _largest(weight: FloatArray, sign: npt.NDArray[np.int8] | None) -> float:
    """The largest positive weight; where rows have signs, the largest of either."""
    return float((weight if sign is None else np.abs(weight)).max(initial=0.0))


def on_threshold(k: float, firing: float) -> float:
    """The largest k up to this one that puts a neuron's threshold on a whole number; k itself where none is left.

    firing: tau times v_threshold.
    """
    threshold = min(np.floor((UNIT * k * firing - 1) / UNIT), THRESHOLD.high)
    return float((UNIT * threshold + 1) / (UNIT * firing)) if threshold >= 1 else k


def whole_threshold(population: Population, scale: Scale) -> IntArray:
    """vThMant, () or (neurons,): where ``k tau v_threshold`` falls, to the nearest; NEVER but for LIF neurons.

    Raises:
        RangeError: no threshold of at least 1 remains.
    """
    if population.kind != "lif":
        return np.asarray(NEVER)
    exact = scale.k * population.tau * np.asarray(population.v_threshold)
    threshold = np.rint((UNIT * exact - 1) / UNIT)
    if threshold.min() < 1:
        raise RangeError(
            f"{scale.limited_by} are so large beside the firing threshold {np.min(population.v_threshold):g} that "
            f"scaling them into 8 bits leaves no threshold of at least 1 ({exact.min():.3g} is left)",
            where=population.name,
            hint="check the source's batch norms, or train with weight decay",
        )
    return np.minimum(threshold, THRESHOLD.high).astype(np.int64)


def whole_weights(weight: FloatArray, k: float, *, signed: bool = False) -> IntArray:
    """``k * weight`` as even whole numbers, ties to even multiples, inside the register: as weight, int64.

    signed: the rows have signs, so that -256 is left out.
    """
    low = -SIGNED if signed else WEIGHT.low
    even: IntArray = np.clip(2 * np.rint(k * weight / 2), low, WEIGHT.high).astype(np.int64)
    return even


def whole_bias(population: Population, bias: FloatArray, k: float) -> IntArray:
    """``k * bias`` as mantissas inside the register: (neurons,), int64."""
    register = bias_register(population)
    mantissa: IntArray = np.clip(np.rint(k * bias), register.low, register.high).astype(np.int64)
    return mantissa


def _ratio(limit: float, value: float) -> float:
    return limit / value if value > 0 else np.inf
