"""Interval analysis: how far the accumulators of a fixed network can go, whatever samples come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from neuro_deploy.errors import RangeError
from neuro_deploy.network.fixed import FixedNetwork, FixedPopulation, FixedProjection
from neuro_deploy.numerics.cuba import decayed
from neuro_deploy.numerics.registers import (
    ACTIVATION_SHIFT,
    BIAS_EXPONENT,
    NEVER,
    STATE_LIMIT,
    THRESHOLD,
    THRESHOLD_SHIFT,
    IntArray,
)


@dataclass(frozen=True)
class Bounds:
    """Largest magnitudes that a population can reach within a sample.

    a_in: of any partial sum of synaptic input. u, v: before wrap and clip. v_low: of v below 0.
    """

    a_in: int
    u: int
    v: int
    v_low: int

    @property
    def exact(self) -> bool:
        """Neither wrap nor clip can act."""
        return self.u < STATE_LIMIT and self.v < STATE_LIMIT


def largest_spike(network: FixedNetwork, source: str) -> int:
    """The largest value that a spike of this population can carry."""
    if network.population(source).kind == "input" and network.encoding.mode == "graded":
        return network.encoding.levels
    return 1


def input_interval(network: FixedNetwork, projection: FixedProjection) -> tuple[IntArray, IntArray]:
    """Lowest and highest a_in through one projection, per target neuron: (neurons,), int64."""
    spike = largest_spike(network, projection.source)
    weight = projection.weight.astype(np.int64)
    low = projection.shift(np.minimum(weight, 0).sum(axis=1) * spike)
    high = projection.shift(np.maximum(weight, 0).sum(axis=1) * spike)
    if projection.delay.ndim:  # every delay's sum is shifted on its own, each rounds down by less than one
        low = low - len(projection.by_delay)
    return low, high


@lru_cache(maxsize=8)
def state_bounds(network: FixedNetwork) -> Mapping[str, Bounds]:
    """Bounds of every computed population over ``network.timesteps`` timesteps.

    Follows lowest and highest u and v through the neuron's equation; both decays are monotone, and a reset
    moves v toward 0, which lies between them. v above the threshold is reset, so the highest v that is carried
    over is the threshold.
    """
    return MappingProxyType({p.name: population_bounds(network, p) for p in network.computed})


def population_bounds(network: FixedNetwork, population: FixedPopulation) -> Bounds:
    """Bounds of one population; see ``state_bounds``."""
    low = np.zeros(population.neurons, np.int64)
    high = np.zeros(population.neurons, np.int64)
    largest = 0
    for projection in network.inputs_of(population.name):
        sum_low, sum_high = input_interval(network, projection)
        low, high = low + sum_low, high + sum_high
        total = np.abs(projection.weight.astype(np.int64)).sum(axis=1) * largest_spike(network, projection.source)
        largest = max(largest, int(total.max()))
    bias_low = bias_high = population.shifted_bias
    if network.encoding.mode == "bias" and network.driven(population):
        reach = network.encoding.reach << BIAS_EXPONENT
        bias_low, bias_high = bias_low - reach, bias_high + reach
    threshold = np.where(population.threshold == NEVER, STATE_LIMIT, population.threshold << THRESHOLD_SHIFT)
    u = np.zeros((2, population.neurons), np.int64)
    v = np.zeros((2, population.neurons), np.int64)
    top_u = top_v = low_v = 0
    for _ in range(network.timesteps):
        before = np.stack([u, v])
        u = decayed(u, population.u_decay) + np.stack([np.minimum(low, 0), np.maximum(high, 0)]) * 2**ACTIVATION_SHIFT
        v = decayed(v, population.v_decay) + u + np.stack([np.minimum(bias_low, 0), np.maximum(bias_high, 0)])
        top_u, top_v = max(top_u, int(np.abs(u).max())), max(top_v, int(np.abs(v).max()))
        wrapped = np.maximum(np.abs(u) - 2 * STATE_LIMIT, STATE_LIMIT)
        u = np.clip(u, -wrapped, wrapped)
        low_v = max(low_v, -int(v[0].min()))
        v = np.stack([np.maximum(v[0], -STATE_LIMIT), np.minimum(v[1], threshold)])
        if np.array_equal(before, np.stack([u, v])):
            break
    return Bounds(a_in=largest, u=top_u, v=top_v, v_low=low_v)


def check_readout(network: FixedNetwork) -> None:
    """Prove that a readout's v never passes the largest threshold of the hardware, which would make it spike.

    Raises:
        RangeError: it could, within the network's timesteps.
    """
    reach, limit = state_bounds(network)[network.output.name].v, THRESHOLD.high << THRESHOLD_SHIFT
    if network.output.kind == "readout" and reach > limit:
        raise RangeError(
            f"v can reach {reach:,} in {network.timesteps:,} timesteps, but hardware spikes above {limit:,}",
            where=network.output.name,
            hint="fewer timesteps, or convert again with --timesteps for as many",
        )
