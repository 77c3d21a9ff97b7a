"""The scale of one population: as large as its registers and 24-bit states allow.

The float neuron ``u += (z - u) / tau``, spike at ``u >= v_threshold``, is multiplied by ``k * tau``; with v = k tau u:

    v' = v (1 - 1/tau) + k z,   spike where v' >= k tau v_threshold

so weights become ``k w``, the bias ``k b``, the decay ``4096 / tau``. k is free, since only comparisons leave the
neuron. On the chip all of it stands shifted left by 6, and v takes every whole number; ``v > vThMant << 6`` is
``v >= (vThMant << 6) + 1``. So k is chosen such that ``64 k tau v_threshold = 64 vThMant + 1`` exactly.

k may also differ between output channels, ``k_c``: rows of weights, biases and thresholds are then multiplied by their
own (``--scale channel``). What a readout adds up is compared between its neurons, so that it has one k.

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
from neuro_deploy.numerics.registers import BIAS, NEVER, RELAY, THRESHOLD, IntArray, Register
from neuro_deploy.passes.levels import FloatArray, Levels
from neuro_deploy.passes.rows import groups, per_neuron, rows_of

UNIT = 64
"""States stand shifted left by 6."""
OWN_UNITS = 4.0
"""How far k gives way to neurons of small gains: two bits of the weights."""
APART = 2.0**10
"""How far the scales of a population's channels may lie apart: a channel of tiny weights needs no more."""


@dataclass(frozen=True, eq=False)
class Scale:
    """k, and what keeps it from being larger. each: k of every neuron, (neurons,), where they differ; k its least."""

    k: float
    limited_by: str
    each: FloatArray | None = None

    def __truediv__(self, divisor: float | FloatArray) -> Scale:
        if self.each is None:
            return Scale(self.k / float(divisor), self.limited_by)
        each = self.each / divisor
        return Scale(float(each.min()), self.limited_by, each)

    @property
    def of_neurons(self) -> FloatArray | float:
        """One k, or that of every neuron."""
        return self.k if self.each is None else self.each


def bias_register(kind: str) -> Register:
    """The register of that kind of population's bias."""
    return RELAY if kind == "relay" else BIAS


def largest_scale(
    population: Population,
    synapses: Sequence[Projection],
    levels: Sequence[Levels],
    bias: FloatArray,
    current: float,
    exponent: int,
) -> Scale:
    """The largest k for which weights, bias (or a current that enters as bias) and threshold fit their registers.

    synapses: those that meet spikes or the input. levels: of each one's weights. exponent: the largest that their
    weights may have.
    """
    most = max(float(np.abs(bias).max(initial=0.0)), current)
    up, down = (room * 2.0**exponent for room in rooms_of_weights(synapses, levels))
    limits = {"positive weights": up, "negative weights": down}
    limits["bias"] = _ratio(bias_register(population.kind).high, most)
    if population.kind == "lif":
        limits["threshold"] = THRESHOLD.high / float(np.max(population.tau * population.v_threshold))
    if has_own_units(synapses):
        for name in ("bias", "threshold"):
            limits[name] = max(limits[name], min(limits["positive weights"], limits["negative weights"]) / OWN_UNITS)
    limited_by = min(limits, key=lambda name: limits[name])
    return Scale(limits[limited_by] if np.isfinite(limits[limited_by]) else 1.0, limited_by)


def rooms_of_weights(synapses: Sequence[Projection], levels: Sequence[Levels]) -> tuple[float, float]:
    """The largest k that leaves positive, and negative, weights within their levels, with exponents of 0."""
    ends = [_ends(p.weight, p.sign) for p in synapses]
    up, down = (
        min((_ratio(of.ends[i], end[i]) for of, end in zip(levels, ends, strict=False)), default=np.inf) for i in (0, 1)
    )
    return up, down


def channel_scale(
    population: Population, synapses: Sequence[Projection], levels: Sequence[Levels], bias: FloatArray, scale: Scale
) -> Scale:
    """The largest k of every channel, at least that of the population. scale: of the population.

    The population's where no channel may have its own: not LIF neurons, or rows along different axes.
    """
    number = groups(population, synapses) if population.kind == "lif" and synapses else None
    if number is None:
        return scale
    most = np.full(population.neurons, np.inf)
    for projection, of in zip(synapses, levels, strict=True):
        rows = rows_of(projection)
        signed = None if projection.sign is None else np.ones(1, np.int8)
        ends = np.array([_ends(row, signed) for row in rows])
        limit = np.minimum(*(_ratios(np.broadcast_to(of.ends[i], len(ends)), ends[:, i]) for i in (0, 1)))
        most = np.minimum(most, per_neuron(projection, limit, population.neurons, np.inf))
    firing = population.tau * np.asarray(population.v_threshold)
    own = np.minimum(_ratios(np.full(bias.shape, float(BIAS.high)), np.abs(bias)), THRESHOLD.high / firing)
    if has_own_units(synapses):
        own = np.maximum(own, most / OWN_UNITS)
    each = np.minimum(np.minimum(most, own), scale.k * APART)
    least = np.full(number.max() + 1, np.inf)
    np.minimum.at(least, number, each)
    each = np.maximum(least[number], scale.k)
    return Scale(float(each.min()), scale.limited_by, each)


def has_own_units(synapses: Sequence[Projection]) -> bool:
    """Whether each neuron's threshold and bias may be scaled by a factor of its own: it has a sign of its own."""
    return bool(synapses) and all(p.sign is not None for p in synapses)


def own_units(population: Population, synapses: Sequence[Projection], bias: FloatArray, scale: Scale) -> FloatArray:
    """The factor f of each neuron, at most 1, that makes its bias and threshold fit: (neurons,)."""
    if population.kind != "lif" or not has_own_units(synapses):
        return np.ones(population.neurons)
    firing = population.tau * np.broadcast_to(np.asarray(population.v_threshold), bias.shape)
    with np.errstate(divide="ignore"):
        fitting = np.minimum(
            BIAS.high / (scale.of_neurons * np.abs(bias)), THRESHOLD.high / (scale.of_neurons * firing)
        )
    return np.minimum(fitting, 1.0)


def _ends(weight: FloatArray, sign: npt.NDArray[np.int8] | None) -> tuple[float, float]:
    """The largest weight and the largest below 0, as a magnitude; where rows have signs, the largest of either."""
    if sign is not None:
        most = float(np.abs(weight).max(initial=0.0))
        return most, most
    return float(weight.max(initial=0.0)), float((-weight).max(initial=0.0))


def on_threshold(k: float, firing: float) -> float:
    """The largest k up to this one that puts a neuron's threshold on a whole number; k itself where none is left.

    firing: tau times v_threshold.
    """
    threshold = min(np.floor((UNIT * k * firing - 1) / UNIT), THRESHOLD.high)
    return float((UNIT * threshold + 1) / (UNIT * firing)) if threshold >= 1 else k


def on_thresholds(each: FloatArray, firing: float) -> FloatArray:
    """As ``on_threshold``, of every neuron: (neurons,)."""
    threshold = np.minimum(np.floor((UNIT * each * firing - 1) / UNIT), THRESHOLD.high)
    return np.where(threshold >= 1, (UNIT * threshold + 1) / (UNIT * firing), each)


def whole_threshold(population: Population, scale: Scale, unit: FloatArray) -> IntArray:
    """vThMant, () or (neurons,): where ``f k tau v_threshold`` falls, to the nearest; NEVER but for LIF neurons.

    unit: f, (neurons,). A neuron that is left without synapses has a threshold of 1 at least.

    Raises:
        RangeError: no threshold of at least 1 remains.
    """
    if population.kind != "lif":
        return np.asarray(NEVER)
    exact = np.asarray(scale.of_neurons * population.tau * np.asarray(population.v_threshold))
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


def whole_bias(population: Population, scaled: FloatArray) -> IntArray:
    """``k b`` as mantissas inside the register: (neurons,), int64."""
    register = bias_register(population.kind)
    mantissa: IntArray = np.clip(np.rint(scaled), register.low, register.high).astype(np.int64)
    return mantissa


def _ratios(limit: FloatArray, value: FloatArray) -> FloatArray:
    """As ``_ratio``, of arrays."""
    some = (value > 0) & (limit > 0)
    ratios: FloatArray = np.divide(limit, value, out=np.full(value.shape, np.inf), where=some)
    return ratios


def _ratio(limit: float, value: float) -> float:
    return limit / value if value > 0 and limit > 0 else np.inf
