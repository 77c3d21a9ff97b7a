"""Interval analysis: how far the accumulators of a fixed network can go, whatever samples come in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from types import MappingProxyType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import RangeError
from neuro_deploy.network.fixed import FixedNetwork, FixedPopulation, FixedProjection
from neuro_deploy.network.separate import gathered
from neuro_deploy.numerics.cuba import decayed
from neuro_deploy.numerics.registers import (
    ACTIVATION_SHIFT,
    BIAS_EXPONENT,
    DECAY_UNITY,
    NEVER,
    RELAY,
    STATE_LIMIT,
    THRESHOLD,
    THRESHOLD_SHIFT,
    IntArray,
)

FloatArray = npt.NDArray[np.float64]
Found = TypeVar("Found")


def _once(function: Callable[[FixedNetwork], Found]) -> Callable[[FixedNetwork], Found]:
    """The function, which works things out once for each network and keeps them for as long as that lives."""
    kept: WeakKeyDictionary[FixedNetwork, Found] = WeakKeyDictionary()

    @wraps(function)
    def known(network: FixedNetwork) -> Found:
        if network not in kept:
            kept[network] = function(network)
        return kept[network]

    return known


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
FOLLOWED = 4096
"""Timesteps that are followed one by one. What has not settled by then is bounded from above for all later ones."""

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


@_once
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


@_once
def state_bounds(network: FixedNetwork) -> Mapping[str, Bounds]:
    """Bounds of every computed population over ``network.timesteps`` timesteps.

    Follows lowest and highest u and v through the neuron's equation; both decays are monotone, and a reset
    moves v toward 0, which lies between them. v above the threshold is reset, so the highest v that is carried
    over is the threshold; a readout's v counts as if nothing clipped it. A wrap turns u's sign: the larger of both
    magnitudes stays a bound of u, but v can then be anything that the clip leaves. A relay has no state: its u and v
    are the value that it sends. Of populations in parts: the largest of the parts, which are what engines run.
    """
    if network.separated is not network:
        return MappingProxyType(_of_wholes(network, state_bounds(network.separated)))
    sent = _sent(network)
    bounds = {}
    for population in network.computed:
        bias_reach = 0
        if network.encoding.mode == "bias" and network.driven(population):
            bias_reach = network.encoding.reach << BIAS_EXPONENT
        reached = reach(population, network.inputs_of(population.name), sent)
        bounds[population.name] = population_bounds(population, reached, network.timesteps, bias_reach)
    return MappingProxyType(bounds)


def _of_wholes(network: FixedNetwork, parts: Mapping[str, Bounds]) -> dict[str, Bounds]:
    arrays = {name: np.array([[bound.a_in, bound.u, bound.v, bound.v_low]], object) for name, bound in parts.items()}
    return {name: Bounds(*each.max(axis=0)) for name, each in gathered(network, arrays, axis=0).items()}


def population_bounds(population: FixedPopulation, reached: Reach, timesteps: int, bias_reach: int = 0) -> Bounds:
    """Bounds of one population; see ``state_bounds``. bias_reach: of data that enter as bias, shifted, either sign."""
    if population.kind == "relay":
        low, high = sent_by_relay(population, reached)
        top = int(max(high.max(), -low.min()))
        return Bounds(a_in=reached.partial, u=top, v=top, v_low=int(-low.min()))
    bias = np.stack([bias_reach - population.shifted_bias, bias_reach + population.shifted_bias])
    a_in = np.stack([-reached.low, reached.high])
    top_u, top_v, low_v = _grown(population, np.maximum(a_in, 0), np.maximum(bias, 0), timesteps)
    if top_u >= STATE_LIMIT:  # v is at least as large as the u that wraps; its sign is now any
        low_v = max(low_v, STATE_LIMIT - 1)
    return Bounds(a_in=reached.partial, u=top_u, v=top_v, v_low=low_v)


def _grown(population: FixedPopulation, a_in: IntArray, bias: IntArray, timesteps: int) -> tuple[int, int, int]:
    """Largest u, v, and magnitude of v below 0. a_in, bias: (2, neurons), how far down, how far up, none below 0.

    Magnitudes only grow from step to step, because they start at 0: the last step has the largest. Once u stays, a v
    that does not decay grows by the same at every step, so the steps up to the last one are taken at once.
    """
    a_in = a_in * 2**ACTIVATION_SHIFT
    ceiling = np.broadcast_to(_ceiling(population), a_in.shape)
    u = v = np.zeros(a_in.shape, np.int64)
    step = 0
    while True:
        step += 1
        current = decayed(u, population.u_decay) + a_in
        voltage = decayed(v, population.v_decay) + current + bias
        before = u, v
        u = np.minimum(current, np.clip(current - 2 * STATE_LIMIT, STATE_LIMIT, CARRIED))
        v = np.minimum(voltage, ceiling)
        stays = np.array_equal(u, before[0])
        if step == timesteps or (stays and np.array_equal(v, before[1])):
            return int(current.max()), int(voltage.max()), int(voltage[0].max())
        between = timesteps - 1 - step
        if between and ((stays and not np.any(population.v_decay)) or step == FOLLOWED):
            held = np.where(a_in > 2 * STATE_LIMIT, CARRIED, STATE_LIMIT)  # what a wrap leaves of u
            u = u if stays else np.minimum(_later(u, population.u_decay, a_in, between), held)
            entering = decayed(u, population.u_decay) + a_in + bias
            v = np.minimum(_later(v, population.v_decay, entering, between), ceiling)
            step = timesteps - 1


def _ceiling(population: FixedPopulation) -> IntArray:
    """What v carries over at most, downwards and upwards: (2, 1 or neurons)."""
    if population.kind == "readout":
        return np.full((2, 1), CARRIED)
    threshold = np.where(population.threshold == NEVER, STATE_LIMIT, population.threshold << THRESHOLD_SHIFT)
    return np.stack([np.full_like(threshold, STATE_LIMIT), threshold]).reshape(2, -1)


def _later(state: IntArray, decay: IntArray, entering: IntArray, steps: int) -> IntArray:
    """At most this is left of what decays and grows, after some steps; exactly this where decay is 0. CARRIED at most.

    It gains what enters at most, and never passes ``entering 4096 / decay``, where it would lose as much.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        most = np.fmax(state, np.ceil(entering * float(DECAY_UNITY) / decay))
    later: IntArray = np.fmin(np.fmin(state + steps * entering.astype(np.float64), most), CARRIED).astype(np.int64)
    return later


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
