"""Interval analysis: how far the accumulators of a fixed network can go, whatever samples come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import RangeError
from neuro_deploy.network.fixed import FixedNetwork, FixedPopulation, FixedProjection
from neuro_deploy.network.separate import gathered
from neuro_deploy.numerics.cuba import decayed
from neuro_deploy.numerics.registers import (
    ACTIVATION_SHIFT,
    BIAS_EXPONENT,
    NEVER,
    RELAY,
    STATE_LIMIT,
    THRESHOLD,
    THRESHOLD_SHIFT,
    IntArray,
)

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bounds:
    """Largest magnitudes that a population can reach within a sample.

    a_in: of any partial sum of synaptic input. u: before the wrap. v: before the clip and before a reset. v_low: of v
    below 0. Where u can wrap, v and v_low are those after the clip.
    """

    a_in: int
    u: int
    v: int
    v_low: int

    @property
    def exact(self) -> bool:
        """Neither wrap nor clip can act."""
        return self.u < STATE_LIMIT and self.v < STATE_LIMIT


@dataclass(frozen=True, eq=False)
class Reach:
    """What synaptic input a population can get in one timestep. low, high: (neurons,), int64. partial: the largest
    magnitude of any partial sum, before or after the weight exponents. Beyond SATURATED, SATURATED stands for it.
    """

    low: IntArray
    high: IntArray
    partial: int


SATURATED = 2**54
"""Synaptic input from here on counts as this: no engine computes so far, and shifted into u it fits 64 bits."""
CARRIED = 2**50
"""u beyond this, which no engine computes either, is carried over as this: decaying it fits 64 bits."""

Sent = tuple[Any, Any]
"""Lowest and highest value that a population's spikes can carry: a number, or (neurons,), each."""


def sent_values(network: FixedNetwork) -> dict[str, Sent]:
    """What each population of a network, and each part of one, can send. A silent neuron counts as sending 0."""
    encoding, parts = network.encoding, network.separated
    graded = (min(encoding.first, 0), max(encoding.levels, 0)) if encoding.mode == "graded" else (0, 1)
    sent: dict[str, Sent] = {
        p.name: graded if p.kind == "input" else (0, 1) for p in (*network.populations, *parts.populations)
    }
    relays = [population for population in parts.populations if population.kind == "relay"]
    for population in relays:  # in execution order
        reached = reach(population, parts.inputs_of(population.name), sent)
        sent[population.name] = sent_by_relay(population, reached)
    low, high = (gathered(network, {p.name: sent[p.name][end] for p in relays}, axis=0) for end in (0, 1))
    return sent | {name: (low[name], high[name]) for name in low}


def sent_by_relay(population: FixedPopulation, reached: Reach) -> Sent:
    """What a relay can send: its sums and its bias, or 0 where nothing came in."""
    return np.minimum(reached.low + population.bias, 0), np.maximum(reached.high + population.bias, 0)


def largest_spike(network: FixedNetwork, source: str) -> int:
    """The largest magnitude that a spike of this population can carry."""
    low, high = _sent(network)[source]
    return int(max(np.abs(low).max(), np.abs(high).max()))


@lru_cache(maxsize=8)
def _sent(network: FixedNetwork) -> Mapping[str, Sent]:
    return MappingProxyType(sent_values(network))


def reach(population: FixedPopulation, projections: Sequence[FixedProjection], sent: Mapping[str, Sent]) -> Reach:
    """The synaptic input that a population can get through these projections.

    Every projection can also bring nothing, as before its delay; so all partial sums over projections lie within.
    """
    low, high = np.zeros(population.neurons), np.zeros(population.neurons)
    partial = 0.0
    for projection in projections:
        source = sent[projection.source]
        down, up = _interval(projection, *source)
        low[projection.geometry.targets] += down
        high[projection.geometry.targets] += up
        largest = np.maximum(np.abs(source[0]), np.abs(source[1]))
        total = projection.geometry.apply(np.abs(projection.weight.astype(np.int32)), largest)
        partial = max(partial, float(total.max()))
    partial = max(partial, float(high.max()), -float(low.min()))
    lowest, highest = (np.clip(end, -SATURATED, SATURATED).astype(np.int64) for end in (low, high))
    return Reach(lowest, highest, int(min(partial, SATURATED)))


def _interval(projection: FixedProjection, low: Any, high: Any) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest a_in of the window's targets through one projection: whole numbers, exact below 2^53."""
    geometry, weight = projection.geometry, projection.weight
    adding, taking = np.maximum(weight, 0), np.minimum(weight, 0)
    up = geometry.apply(adding, high) + geometry.apply(taking, low)
    down = geometry.apply(adding, low) + geometry.apply(taking, high)
    if projection.sign is not None:
        ends = np.stack([down * projection.sign, up * projection.sign])
        down, up = ends.min(axis=0), ends.max(axis=0)
    lowest, highest = (np.floor(np.ldexp(end, projection.weight_exp)) for end in (down, up))
    if projection.delay.ndim:  # every delay's sum is shifted on its own, each rounds down by less than one
        lowest = lowest - np.unique(projection.delay).size
    return lowest, highest


@lru_cache(maxsize=8)
def state_bounds(network: FixedNetwork) -> Mapping[str, Bounds]:
    """Bounds of every computed population over ``network.timesteps`` timesteps.

    Follows lowest and highest u and v through the neuron's equation; both decays are monotone, and a reset
    moves v toward 0, which lies between them. v above the threshold is reset, so the highest v that is carried
    over is the threshold. A wrap turns u's sign: the larger of both magnitudes stays a bound of u, but v can then be
    anything that the clip leaves. A relay has no state: its u and v are the value that it sends.
    """
    sent = _sent(network)
    bounds = {}
    for population in network.computed:
        bias_reach = 0
        if network.encoding.mode == "bias" and network.driven(population):
            bias_reach = network.encoding.reach << BIAS_EXPONENT
        reached = reach(population, network.inputs_of(population.name), sent)
        bounds[population.name] = population_bounds(population, reached, network.timesteps, bias_reach)
    return MappingProxyType(bounds)


def population_bounds(population: FixedPopulation, reached: Reach, timesteps: int, bias_reach: int = 0) -> Bounds:
    """Bounds of one population; see ``state_bounds``. bias_reach: of data that enter as bias, shifted, either sign."""
    if population.kind == "relay":
        low, high = sent_by_relay(population, reached)
        top = int(max(high.max(), -low.min()))
        return Bounds(a_in=reached.partial, u=top, v=top, v_low=int(-low.min()))
    bias_low, bias_high = population.shifted_bias - bias_reach, population.shifted_bias + bias_reach
    threshold = np.where(population.threshold == NEVER, STATE_LIMIT, population.threshold << THRESHOLD_SHIFT)
    lows_highs = np.stack([np.minimum(reached.low, 0), np.maximum(reached.high, 0)]) * 2**ACTIVATION_SHIFT
    biases = np.stack([np.minimum(bias_low, 0), np.maximum(bias_high, 0)])
    u = np.zeros((2, population.neurons), np.int64)
    v = np.zeros((2, population.neurons), np.int64)
    top_u = top_v = low_v = 0
    for _ in range(timesteps):
        before = np.stack([u, v])
        u = decayed(u, population.u_decay) + lows_highs
        v = decayed(v, population.v_decay) + u + biases
        top_u, top_v = max(top_u, int(np.abs(u).max())), max(top_v, int(np.abs(v).max()))
        wrapped = np.clip(np.abs(u) - 2 * STATE_LIMIT, STATE_LIMIT, CARRIED)
        u = np.clip(u, -wrapped, wrapped)
        low_v = max(low_v, -int(v[0].min()))
        v = np.stack([np.maximum(v[0], -STATE_LIMIT), np.minimum(v[1], threshold)])
        if np.array_equal(before, np.stack([u, v])):
            break
    if top_u >= STATE_LIMIT:  # v is at least as large as the u that wraps; its sign is now any
        low_v = max(low_v, STATE_LIMIT - 1)
    return Bounds(a_in=reached.partial, u=top_u, v=top_v, v_low=low_v)


def check_ranges(network: FixedNetwork) -> None:
    """Prove that a readout's v never passes the largest threshold of the hardware, which would make it spike, and
    that no relay's value leaves 24 bits.

    Raises:
        RangeError: it could, within the network's timesteps.
    """
    bounds, limit = state_bounds(network), THRESHOLD.high << THRESHOLD_SHIFT
    for population in network.computed:
        top = bounds[population.name].v
        if population.kind == "readout" and top > limit:
            raise RangeError(
                f"v can reach {top:,} in {network.timesteps:,} timesteps, but hardware spikes above {limit:,}",
                where=population.name,
                hint="fewer timesteps, or convert again with --timesteps for as many",
            )
        if population.kind == "relay" and top > RELAY.high:
            raise RangeError(
                f"can send {top:,}; a graded spike holds {RELAY.describe()}",
                where=population.name,
                hint="convert again, with smaller weights into this relay",
            )
