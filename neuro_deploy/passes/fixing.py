"""A population at some scale: its integers, and how far its states go."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import (
    Bounds,
    FixedPopulation,
    FixedProjection,
    Population,
    Projection,
    population_bounds,
    reach,
)
from neuro_deploy.network.bounds import Sent
from neuro_deploy.numerics.registers import (
    BIAS,
    BIAS_EXPONENT,
    DECAY_UNITY,
    RELAY,
    STATE_LIMIT,
    THRESHOLD,
    THRESHOLD_SHIFT,
    IntArray,
)
from neuro_deploy.passes.gains import FULL, exponent_of, whole_gains
from neuro_deploy.passes.intake import Intake
from neuro_deploy.passes.levels import FloatArray, Levels
from neuro_deploy.passes.rows import per_row
from neuro_deploy.passes.scale import Scale, own_units, whole_bias, whole_threshold

LEFT_OUT = 0.5
"""Below this factor a neuron is nearer to the truth without its synapses."""
APART = 2.0
"""A projection of a joined layer has an exponent of its own where the largest weight is so many times its own."""


@dataclass(frozen=True, eq=False)
class Synapses:
    """What one projection becomes. wanted: real weights in the unit of the whole ones, as weight; levels: theirs.

    learned: whether they are weights of the source, and not what passes on a relay's value.
    """

    fixed: FixedProjection
    wanted: FloatArray
    levels: Levels
    learned: bool = True


@dataclass(frozen=True, eq=False)
class Fixed:
    """A population at some scale, its projections, and how far its states go.

    bias: real, in mantissas, (neurons,). detached: neurons without synapses.
    """

    population: FixedPopulation
    synapses: tuple[Synapses, ...]
    bounds: Bounds
    bias: FloatArray
    detached: int

    @property
    def projections(self) -> tuple[FixedProjection, ...]:
        """The synapses' whole numbers."""
        return tuple(each.fixed for each in self.synapses)


def fixed_at(
    intake: Intake,
    scale: Scale,
    levels: Sequence[Levels],
    relays: Mapping[str, float],
    sent: Mapping[str, Sent],
    timesteps: int,
    *,
    chain: bool,
) -> Fixed:
    """The population at a scale. relays: scales of the relays that feed it. sent: values that its sources can send.

    levels: of the weights of each of the intake's synapses. chain: all weight exponents are 0.

    Raises:
        RangeError: no threshold is left, or gains that no weight exponent reaches. UnsupportedError: a broken decay.
    """
    source = intake.population
    synapses = () if intake.current is not None else intake.synapses
    unit = own_units(source, synapses, intake.bias, scale)
    bias = unit * scale.of_neurons * intake.bias if intake.current is None else np.zeros_like(intake.bias)
    population = FixedPopulation(
        source.name,
        source.kind,
        source.shape,
        whole_bias(source, bias),
        whole_threshold(source, scale, unit),
        v_decay=np.asarray(_decay(source)),
    )
    detached = unit < LEFT_OUT
    scaled = [_without(_scaled(p, scale), detached) for p in synapses]
    largest = None if chain else _largest_of_kind(scaled)
    made = [_fixed(p, of, largest) for p, of in zip(scaled, levels, strict=False)]
    made += _behind_relays(intake, scale, relays)
    host = 0 if intake.current is None else min(math.ceil(scale.k * intake.current) + 1, BIAS.high) << BIAS_EXPONENT
    reached = reach(population, [each.fixed for each in made], sent)
    bounds = population_bounds(population, reached, timesteps, host)
    return Fixed(population, tuple(made), bounds, bias, int(np.count_nonzero(detached)))


def _behind_relays(intake: Intake, scale: Scale, relays: Mapping[str, float]) -> list[Synapses]:
    """Synapses from relays. Of a gain's several powers of two, those too small to have a weight are left out."""
    made = []
    for each in intake.relayed:
        projection = each if scale.each is None else _scaled(each, scale)
        ratio = (scale.k if scale.each is None else 1.0) / relays[projection.source]
        weight, exponent = whole_gains(projection, ratio)
        fixed = _with_weight(projection, weight, exponent)
        made.append(Synapses(fixed, projection.weight * ratio / 2.0**exponent, FULL, learned=False))
    some = {each.fixed.source for each in made if np.any(each.fixed.weight)}
    return [each for each in made if np.any(each.fixed.weight) or each.fixed.source not in some]


def _without(projection: Projection, detached: npt.NDArray[np.bool_]) -> Projection:
    """The projection without its synapses on detached neurons: (neurons of the population,)."""
    if projection.sign is None or not np.any(detached):
        return projection
    return replace(projection, sign=np.where(detached[projection.geometry.targets], np.int8(0), projection.sign))


def _scaled(projection: Projection, scale: Scale) -> Projection:
    """The projection with k times its weights, row by row where neurons differ."""
    factor = scale.k if scale.each is None else per_row(projection, scale.each)
    return replace(projection, weight=projection.weight * factor)


def _kind(projection: Projection) -> tuple[object, ...]:
    geometry = projection.geometry
    return geometry.kind, geometry.axis, geometry.target_channels


def _largest_of_kind(synapses: Sequence[Projection]) -> dict[tuple[object, ...], float]:
    """The largest weight of projections along the channels into the same neurons: a joined layer has one exponent."""
    largest: dict[tuple[object, ...], float] = {}
    for projection in synapses:
        if projection.geometry.axis == "channel":
            top = float(np.abs(projection.weight).max())
            largest[_kind(projection)] = max(top, largest.get(_kind(projection), 0.0))
    return largest


def _fixed(projection: Projection, of: Levels, largest: dict[tuple[object, ...], float] | None) -> Synapses:
    """Synapses of these weights, k times the source's, with the exponent that makes them fill their levels.

    largest: weights that are to fit too, by kind of projection. None: exponent 0.
    """
    exponent = 0
    if largest is not None:
        joined = largest.get(_kind(projection), 0.0)
        apart = joined > APART * float(np.abs(projection.weight).max())
        exponent = exponent_of(projection, projection.weight, 0.0 if apart else joined, of)
    wanted = projection.weight / 2.0**exponent
    return Synapses(_with_weight(projection, of.whole(wanted), exponent), wanted, of)


def _with_weight(projection: Projection, weight: IntArray, exponent: int) -> FixedProjection:
    return FixedProjection(
        projection.source, projection.target, weight, exponent, geometry=projection.geometry, sign=projection.sign
    )


def _decay(population: Population) -> int:
    decay = DECAY_UNITY / population.tau if population.kind == "lif" else 0.0
    if decay != round(decay):
        raise UnsupportedError(
            f"tau {population.tau:g} needs a decay of {decay:g} parts of {DECAY_UNITY}, whole numbers are allowed",
            where=population.name,
            hint="tau 1, 2, 4, ... are exact",
        )
    return int(decay)


def excess(population: FixedPopulation, bounds: Bounds) -> float:
    """How many times too far u or v can go; at most 1 is proven to be safe.

    A LIF neuron's v that is clipped at the top spikes and is reset, as the float neuron is: only its lowest v counts.
    """
    if population.kind == "relay":
        return bounds.v / RELAY.high
    u_excess = bounds.u / (STATE_LIMIT - 1)
    if population.kind == "readout":
        return max(u_excess, bounds.v / (THRESHOLD.high << THRESHOLD_SHIFT))
    return max(u_excess, bounds.v_low / (STATE_LIMIT - 1))
