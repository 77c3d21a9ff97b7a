"""The scale of one population: as large as its registers and 24-bit states allow.

The float neuron ``u += (z - u) / tau``, spike at ``u >= v_threshold``, is multiplied by ``k * tau``; with v = k tau u:

    v' = v (1 - 1/tau) + k z,   spike where v' >= k tau v_threshold

so weights become ``k w``, the bias ``k b``, the decay ``4096 / tau``. k is free, since only comparisons leave the
neuron. On the chip all of it stands shifted left by 6, and v takes every whole number; ``v > vThMant << 6`` is
``v >= (vThMant << 6) + 1``. So k is chosen such that ``64 k tau v_threshold = 64 vThMant + 1`` exactly.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import RangeError
from neuro_deploy.network import Population
from neuro_deploy.numerics.registers import BIAS, THRESHOLD, WEIGHT, IntArray

FloatArray = npt.NDArray[np.float64]
UNIT = 64
"""States stand shifted left by 6."""


@dataclass(frozen=True)
class Scale:
    """k, the threshold that goes with it (None for a readout), and what keeps k from being larger."""

    k: float
    threshold: int | None
    limited_by: str


@dataclass(frozen=True)
class QuantizedPopulation:
    """What quantization did to a population.

    scale: k. weight_bits: bits that the largest weight fills. weight_error: largest rounding of a weight, in percent
    of the largest weight. worst_u, worst_v: proven largest magnitudes, of 2^23.
    """

    name: str
    scale: float
    limited_by: str
    weight_bits: float
    weight_error: float
    threshold: int | None
    v_decay: int
    worst_u: int
    worst_v: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def largest_scale(population: Population, weight: FloatArray, bias: FloatArray, current: float) -> Scale:
    """The largest k for which weights, bias (or a current that enters as bias) and threshold fit their registers.

    Raises:
        RangeError: so large weights that not even a threshold of 1 remains.
    """
    limits = {
        "positive weights": _ratio(WEIGHT.high, weight.max(initial=0.0)),
        "negative weights": _ratio(-WEIGHT.low, -weight.min(initial=0.0)),
        "bias": _ratio(BIAS.high, max(float(np.abs(bias).max(initial=0.0)), current)),
    }
    firing = population.tau * population.v_threshold
    if population.kind == "lif":
        limits["threshold"] = THRESHOLD.high / firing
    limited_by = min(limits, key=lambda name: limits[name])
    return at_most(population, limits[limited_by] if np.isfinite(limits[limited_by]) else 1.0, limited_by)


def at_most(population: Population, k: float, limited_by: str) -> Scale:
    """The largest k up to this one that puts the threshold on a whole number.

    Raises:
        RangeError: no threshold of at least 1 remains.
    """
    if population.kind != "lif":
        return Scale(k, None, limited_by)
    firing = population.tau * population.v_threshold
    threshold = int(min(np.floor((UNIT * k * firing - 1) / UNIT), THRESHOLD.high))
    if threshold < 1:
        raise RangeError(
            f"{limited_by} are so large beside the firing threshold {population.v_threshold:g} that scaling them into "
            f"8 bits leaves no threshold of at least 1 ({k * firing:.3g} is left)",
            where=population.name,
            hint="check the source's batch norms, or train with weight decay",
        )
    return Scale((UNIT * threshold + 1) / (UNIT * firing), threshold, limited_by)


def whole_weights(weight: FloatArray, k: float) -> IntArray:
    """``k * weight`` as even whole numbers, ties to even multiples, inside the register: (out, in), int64."""
    even: IntArray = np.clip(2 * np.rint(k * weight / 2), WEIGHT.low, WEIGHT.high).astype(np.int64)
    return even


def whole_bias(bias: FloatArray, k: float) -> IntArray:
    """``k * bias`` as mantissas inside the register: (neurons,), int64."""
    mantissa: IntArray = np.clip(np.rint(k * bias), BIAS.low, BIAS.high).astype(np.int64)
    return mantissa


def _ratio(limit: float, value: float) -> float:
    return limit / value if value > 0 else np.inf
